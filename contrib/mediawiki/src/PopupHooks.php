<?php

namespace MediaWiki\Extension\Wikiveil;

use MediaWiki\Hook\BeforePageDisplayHook;
use MediaWiki\Preferences\Hook\GetPreferencesHook;

/** Loads the popups at masks (gadget-masks.js) for those who may block and didn't turn them off in their preferences. */
class PopupHooks implements BeforePageDisplayHook, GetPreferencesHook {
	private const PREFERENCE = 'wikiveil-popups';

	private string $page;
	/** @var \MediaWiki\User\UserOptionsLookup */
	private $options;
	private TemporaryAccounts $accounts;

	/** @param \Config $config @param \MediaWiki\User\UserOptionsLookup $options */
	public function __construct( $config, $options, TemporaryAccounts $accounts ) {
		$this->page = $config->get( 'WikiveilMaskPage' );
		$this->options = $options;
		$this->accounts = $accounts;
	}

	/** @inheritDoc */
	public function onBeforePageDisplay( $out, $skin ): void {
		$reader = $out->getAuthority();
		if ( $this->page !== '' && $reader->isAllowed( 'block' ) && $this->options->getBoolOption( $reader->getUser(), self::PREFERENCE ) ) {
			$out->addModules( 'ext.wikiveil.masks' );
			$out->addJsConfigVars( [
				'wgWikiveilMaskPage' => $this->page,
				'wgWikiveilTemporaryAccounts' => $this->accounts->mayRead( $reader ),
			] );
		}
	}

	/** @inheritDoc */
	public function onGetPreferences( $user, &$preferences ) {
		if ( $this->page !== '' && $user->isAllowed( 'block' ) ) {
			$preferences[self::PREFERENCE] = [
				'type' => 'toggle', 'section' => 'rendering/advancedrendering', 'label-message' => 'wikiveil-popups-preference',
			];
		}
	}
}
