<?php

namespace MediaWiki\Extension\Wikiveil;

use MediaWiki\Block\Block;
use MediaWiki\Block\CompositeBlock;
use MediaWiki\Block\DatabaseBlock;
use MediaWiki\Block\Hook\GetUserBlockHook;
use MediaWiki\Hook\BeforePageDisplayHook;
use MediaWiki\Hook\BlockIpHook;

/** Refuses blocks that would hit all clients, whoever makes them, has autoblocks outlive a rotation, and tells the edge of refused changes. */
class BlockHooks implements BeforePageDisplayHook, BlockIpHook, GetUserBlockHook {
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

	/**
	 * Whose change is shown a page in place of being made, and is blocked, was refused for that. The edge may then show which ways are open.
	 *
	 * @inheritDoc
	 */
	public function onBeforePageDisplay( $out, $skin ): void {
		$title = $out->getTitle();
		$block = $out->getUser()->getBlock();
		if ( $out->getRequest()->wasPosted() && $block && $title && $title->canExist() && $block->appliesToTitle( $title ) ) {
			$out->getRequest()->response()->header( 'Client-Mask-Blocked: 1' );
		}
	}
}
