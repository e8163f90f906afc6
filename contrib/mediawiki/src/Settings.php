<?php

namespace MediaWiki\Extension\Wikiveil;

/** Settings without which one block hits every client. */
class Settings {
	/** Sets them when MediaWiki has read LocalSettings.php. A stricter value of the operator's stays. */
	public static function onRegistration(): void {
		foreach ( [ 'wgBlockCIDRLimit', 'wgAbuseFilterRangeBlockSize', 'wgGlobalBlockingCIDRLimit' ] as $name ) {
			$GLOBALS[$name]['IPv6'] = max( Masks::WIDEST_RANGE, $GLOBALS[$name]['IPv6'] ?? 0 );
		}
		// AbuseFilter of 1.43 keeps these, and filters that ask for them, from those who may not see addresses: who reads a filter
		// for Tor and its log learns which accounts use it.
		if ( isset( $GLOBALS['wgAbuseFilterProtectedVariables'] ) ) {
			array_push( $GLOBALS['wgAbuseFilterProtectedVariables'], AbuseFilterHooks::NETWORKS, AbuseFilterHooks::NETWORK_MASKS );
		}
	}
}
