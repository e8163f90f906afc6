<?php

namespace MediaWiki\Extension\Wikiveil;

use MediaWiki\Api\Hook\APIQuerySiteInfoGeneralInfoHook;

/** Tells `wikiveil doctor` what nobody can see from outside: by action=query&meta=siteinfo. */
class SiteInfoHooks implements APIQuerySiteInfoGeneralInfoHook {
	private bool $appliesBlocks;

	/** @param \Config $config */
	public function __construct( $config ) {
		$this->appliesBlocks = (bool)$config->get( 'ApplyIpBlocksToXff' );
	}

	/** @inheritDoc */
	public function onAPIQuerySiteInfoGeneralInfo( $module, &$results ) {
		$results['wikiveil'] = [ 'applyipblockstoxff' => $this->appliesBlocks ];
	}
}
