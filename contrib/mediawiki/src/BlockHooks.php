<?php

namespace MediaWiki\Extension\Wikiveil;

use MediaWiki\Block\Block;
use MediaWiki\Hook\BlockIpHook;

/** Refuses blocks that would hit all clients, whoever makes them: Special:Block, the API, AbuseFilter. */
class BlockHooks implements BlockIpHook {
	/** @inheritDoc */
	public function onBlockIp( $block, $user, &$reason ) {
		if ( $block->getType() !== Block::TYPE_RANGE || !Masks::isRangeOfMany( $block->getTargetName() ) ) {
			return true;
		}
		$reason = [ 'wikiveil-range-too-wide' ];
		return false;
	}
}
