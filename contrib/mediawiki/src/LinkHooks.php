<?php

namespace MediaWiki\Extension\Wikiveil;

use MediaWiki\Hook\ContributionsToolLinksHook;
use MediaWiki\Hook\SpecialBlockModifyFormFieldsHook;
use MediaWiki\Hook\UserToolLinksEditHook;

/**
 * Links from masks to the edge's mask page, for those who may block, and from temporary accounts to their masks, for those
 * who may read them: in histories, recent changes, logs and diffs, on contributions and in the form of a block.
 */
class LinkHooks implements ContributionsToolLinksHook, SpecialBlockModifyFormFieldsHook, UserToolLinksEditHook {
	private MaskPage $page;
	private TemporaryAccounts $accounts;

	public function __construct( MaskPage $page, TemporaryAccounts $accounts ) {
		$this->page = $page;
		$this->accounts = $accounts;
	}

	/** @inheritDoc */
	public function onUserToolLinksEdit( $userId, $userText, &$items ) {
		$link = $this->linkFor( $userText, \RequestContext::getMain(), 'wikiveil-tool-mask', 'wikiveil-tool-temporary-account' );
		if ( $link !== '' ) {
			$items[] = $link;
		}
	}

	/** @inheritDoc */
	public function onContributionsToolLinks( $id, $title, &$tools, $specialPage ) {
		$link = $this->linkFor( $title->getText(), $specialPage->getContext(), 'wikiveil-mask-page', 'wikiveil-temporary-account-page' );
		if ( $link !== '' ) {
			$tools['wikiveil'] = $link;
		}
	}

	/** @inheritDoc */
	public function onSpecialBlockModifyFormFields( $sp, &$fields ) {
		$link = $this->linkFor( (string)( $fields['Target']['default'] ?? '' ), $sp->getContext(),
			'wikiveil-block-form-mask', 'wikiveil-temporary-account-page' );
		$link = $link !== '' ? $link : $this->page->link( '', $sp->msg( 'wikiveil-block-form-page' ) );
		if ( $link !== '' ) {
			$fields['WikiveilMaskPage'] = [
				'type' => 'info', 'label-message' => 'wikiveil-block-form-label', 'raw' => true, 'default' => $link,
			];
		}
	}

	/**
	 * Returns the link in HTML for a user's name, '' where there is none to give.
	 *
	 * @param \IContextSource $context
	 */
	private function linkFor( string $name, $context, string $maskText, string $accountText ): string {
		if ( Masks::isMask( $name ) && $context->getAuthority()->isAllowed( 'block' ) ) {
			return $this->page->link( $name, $context->msg( $maskText ) );
		}
		if ( $this->accounts->isName( $name ) && $this->accounts->mayRead( $context->getAuthority() ) ) {
			$href = \SpecialPage::getTitleFor( SpecialTemporaryAccountMasks::NAME, $name )->getLocalURL();
			return '<a class="wikiveil-temporary-account" href="' . htmlspecialchars( $href ) . '">' . $context->msg( $accountText )->escaped() . '</a>';
		}
		return '';
	}
}
