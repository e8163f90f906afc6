<?php

namespace MediaWiki\Extension\Wikiveil;

use MediaWiki\Config\ServiceOptions;
use MediaWiki\MediaWikiServices;
use MediaWiki\User\BotPasswordStore;

/** Core's store of bot passwords, which gives them out as NetworkBotPassword. */
class NetworkBotPasswordStore extends BotPasswordStore {
	private array $rangesOf;

	/** Puts it in the place of core's. */
	public static function onMediaWikiServices( MediaWikiServices $services ): void {
		$services->redefineService( 'BotPasswordStore', static function ( MediaWikiServices $services ): self {
			$config = $services->getMainConfig();
			$store = new self(
				new ServiceOptions( self::CONSTRUCTOR_OPTIONS, $config ),
				$services->getCentralIdLookup(),
				$services->getDBLoadBalancerFactory()
			);
			$store->rangesOf = $config->get( 'WikiveilNetworkRanges' );
			return $store;
		} );
	}

	/** @inheritDoc */
	public function getByCentralId( int $centralId, string $appId, int $flags = 0 ): ?NetworkBotPassword {
		$password = parent::getByCentralId( $centralId, $appId, $flags );
		return $password ? NetworkBotPassword::of( $password, $flags, $this->rangesOf ) : null;
	}
}
