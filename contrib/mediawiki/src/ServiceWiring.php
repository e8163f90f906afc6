<?php

use MediaWiki\Extension\Wikiveil\MaskPage;
use MediaWiki\Extension\Wikiveil\TemporaryAccounts;
use MediaWiki\MediaWikiServices;

return [
	'WikiveilMaskPage' => static function ( MediaWikiServices $services ): MaskPage {
		return new MaskPage( $services->getMainConfig()->get( 'WikiveilMaskPage' ) );
	},
	'WikiveilTemporaryAccounts' => static function ( MediaWikiServices $services ): TemporaryAccounts {
		return new TemporaryAccounts(
			$services->getDBLoadBalancer(),
			$services->getActorNormalization(),
			$services->getUserIdentityLookup(),
			$services->getUserNameUtils(),
			$services->getUserOptionsLookup(),
			$services->getUserFactory()
		);
	},
];
