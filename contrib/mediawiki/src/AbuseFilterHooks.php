<?php

namespace MediaWiki\Extension\Wikiveil;

use MediaWiki\Extension\AbuseFilter\Hooks\AbuseFilterAlterVariablesHook;
use MediaWiki\Extension\AbuseFilter\Hooks\AbuseFilterBuilderHook;
use MediaWiki\Extension\AbuseFilter\Hooks\AbuseFilterComputeVariableHook;

/**
 * Gives filters the client's networks. They are computed when a filter asks for them: AbuseFilter's log keeps
 * the value of each variable that was computed, and networks are not to stand there without need.
 */
class AbuseFilterHooks implements AbuseFilterAlterVariablesHook, AbuseFilterBuilderHook, AbuseFilterComputeVariableHook {
	public const NETWORKS = 'client_networks';
	public const NETWORK_MASKS = 'client_network_masks';

	/** @inheritDoc */
	public function onAbuseFilter_builder( array &$realValues ) {
		$realValues['vars'][self::NETWORKS] = 'client-networks';
		$realValues['vars'][self::NETWORK_MASKS] = 'client-network-masks';
	}

	/**
	 * Is asked about what is done now, not about past edits, whose networks nobody keeps, and for all actions: variables of a
	 * user are missing where somebody without an account makes one.
	 *
	 * @inheritDoc
	 */
	public function onAbuseFilterAlterVariables( &$vars, $title, $user ) {
		if ( Client::of( $user ) === null ) {
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
