<?php

namespace MediaWiki\Extension\Wikiveil;

use MediaWiki\Auth\AbstractPreAuthenticationProvider;
use MediaWiki\Block\Block;
use MediaWiki\Block\BlockErrorFormatter;
use MediaWiki\Block\DatabaseBlock;
use MediaWiki\MediaWikiServices;
use StatusValue;

/**
 * Applies blocks of network masks that disable account creation to users who are logged in as well. Core does so with
 * blocks of the client's own address alone (T15611), so an account would be enough to make more of them.
 */
class NetworkBlockPreAuthenticationProvider extends AbstractPreAuthenticationProvider {
	/** @inheritDoc */
	public function testForAccountCreation( $user, $creator, array $reqs ) {
		if ( $creator->isAllowed( 'ipblock-exempt' ) ) {
			return StatusValue::newGood();
		}
		$request = $this->manager->getRequest();
		$masks = ( new Client( $request ) )->networkMasks();
		foreach ( DatabaseBlock::getBlocksForIPList( $masks, true, true ) as $block ) {
			if ( $block->isCreateAccountBlocked() && $block->getType() !== Block::TYPE_AUTO ) {
				$context = \RequestContext::getMain();
				return StatusValue::newFatal( $this->formatter( $context )
					->getMessage( $block, $creator, $context->getLanguage(), $request->getIP() ) );
			}
		}
		return StatusValue::newGood();
	}

	/** @param \IContextSource $context */
	private function formatter( $context ): BlockErrorFormatter {
		$services = MediaWikiServices::getInstance();
		return method_exists( $services, 'getFormatterFactory' ) // since 1.42, which deprecates the other
			? $services->getFormatterFactory()->getBlockErrorFormatter( $context )
			: $services->getBlockErrorFormatter();
	}
}
