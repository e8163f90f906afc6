<?php

namespace MediaWiki\Extension\Wikiveil;

use MediaWiki\Extension\AbuseFilter\Hooks\AbuseFilterBuilderHook;
use MediaWiki\Extension\AbuseFilter\Hooks\AbuseFilterComputeVariableHook;
use MediaWiki\Extension\AbuseFilter\Hooks\AbuseFilterGenerateUserVarsHook;

/**
 * Gives filters the client's networks. They are computed when a filter asks for them: AbuseFilter's log keeps
 * the value of each variable that was computed, and networks are not to stand there without need.
 */
class AbuseFilterHooks implements AbuseFilterBuilderHook, AbuseFilterGenerateUserVarsHook, AbuseFilterComputeVariableHook {
	public const NETWORKS = 'client_networks';
	public const NETWORK_MASKS = 'client_network_masks';

	/** @inheritDoc */
	public function onAbuseFilter_builder( array &$realValues ) {
		$realValues['vars'][self::NETWORKS] = 'client-networks';
		$realValues['vars'][self::NETWORK_MASKS] = 'client-network-masks';
	}

	/** @inheritDoc */
	public function onAbuseFilter_generateUserVars( $vars, $user, $rc ) {
		if ( $rc ) { // what was done before, from networks that nobody keeps
			return;
		}
		$vars->setLazyLoadVar( self::NETWORKS, 'wikiveil-networks', [ 'user' => $user ] );
		$vars->setLazyLoadVar( self::NETWORK_MASKS, 'wikiveil-network-masks', [ 'user' => $user ] );
	}

	/** @inheritDoc */
	public function onAbuseFilter_computeVariable( string $method, $vars, array $parameters, ?string &$result ) {
		switch ( $method ) {
			case 'wikiveil-networks':
				$result = ( new Client( $parameters['user']->getRequest() ) )->networks();
				return false;
			case 'wikiveil-network-masks':
				$result = ( new Client( $parameters['user']->getRequest() ) )->networkMasks();
				return false;
		}
		return true;
	}
}
