<?php

namespace MediaWiki\Extension\Wikiveil;

use MediaWiki\Block\Block;
use MediaWiki\Block\CompositeBlock;
use MediaWiki\Block\DatabaseBlock;
use MediaWiki\Block\Hook\GetUserBlockHook;
use MediaWiki\Hook\BlockIpHook;

/** Refuses blocks that would hit all clients, whoever makes them, and has autoblocks outlive a rotation. */
class BlockHooks implements BlockIpHook, GetUserBlockHook {
	/** Special:Block, the API, AbuseFilter. @inheritDoc */
	public function onBlockIp( $block, $user, &$reason ) {
		if ( $block->getType() !== Block::TYPE_RANGE || !Masks::isRangeOfMany( $block->getTargetName() ) ) {
			return true;
		}
		$reason = [ 'wikiveil-range-too-wide' ];
		return false;
	}

	/**
	 * Core takes no autoblocks from X-Forwarded-For, where a client's masks from before rotations are, since anybody could write
	 * others' addresses there. These masks are the edge's words. Without $ip no address counts: for those who are exempt, and others
	 * than the one who sent the request.
	 *
	 * @inheritDoc
	 */
	public function onGetUserBlock( $user, $ip, &$block ) {
		if ( $ip === null ) {
			return;
		}
		$older = array_filter( ( new Client( $user->getRequest() ) )->networkMasks(), [ Masks::class, 'isClientMask' ] );
		$blocks = array_filter( DatabaseBlock::getBlocksForIPList( $older, false ),
			static fn ( $found ) => $found->getType() === Block::TYPE_AUTO );
		if ( $blocks ) {
			$all = array_merge( array_filter( [ $block ] ), $blocks );
			$block = count( $all ) === 1 ? $all[0] : CompositeBlock::createFromBlocks( ...$all );
		}
	}
}
