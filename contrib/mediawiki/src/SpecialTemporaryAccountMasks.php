<?php

namespace MediaWiki\Extension\Wikiveil;

use PermissionsError;

/** Special:TemporaryAccountMasks/~2026-1, which needs no script. It reads by POST alone, so that no link makes somebody read. */
class SpecialTemporaryAccountMasks extends \FormSpecialPage {
	public const NAME = 'TemporaryAccountMasks';

	private TemporaryAccounts $accounts;
	private MaskPage $page;
	private array $masks = [];

	public function __construct( TemporaryAccounts $accounts, MaskPage $page ) {
		parent::__construct( self::NAME, '', false );
		$this->accounts = $accounts;
		$this->page = $page;
	}

	/** @inheritDoc */
	public function userCanExecute( $user ) {
		return $this->accounts->mayRead( $this->getAuthority() );
	}

	/** @inheritDoc */
	public function displayRestrictionError() {
		throw new PermissionsError( null, [ 'wikiveil-temporary-account-no-right' ] );
	}

	/** @inheritDoc */
	public function getDescription() {
		$title = $this->msg( 'wikiveil-temporary-account-title' );
		return version_compare( MW_VERSION, '1.41', '<' ) ? $title->text() : $title;
	}

	/** @inheritDoc */
	protected function getFormFields() {
		return [ 'User' => [
			'type' => 'text',
			'label-message' => 'wikiveil-temporary-account-user',
			'default' => (string)$this->par,
			'required' => true,
		] ];
	}

	/** @inheritDoc */
	protected function getMessagePrefix() {
		return 'wikiveil-temporary-account';
	}

	/** @inheritDoc */
	protected function getDisplayFormat() {
		return 'ooui';
	}

	/** @inheritDoc */
	public function onSubmit( array $data ) {
		$status = $this->accounts->read( $this->getAuthority(), $data['User'] );
		$this->masks = $status->isOK() ? $status->getValue() : [];
		return $status;
	}

	/** @inheritDoc */
	public function onSuccess() {
		$out = $this->getOutput();
		if ( !$this->masks ) {
			$out->addWikiMsg( 'wikiveil-temporary-account-none' );
		}
		foreach ( $this->masks as $mask ) {
			$out->addHTML( \Html::rawElement( 'p', [], \Html::element( 'code', [], $mask['mask'] ) . ' '
				. $this->msg( 'wikiveil-temporary-account-seen' )
					->dateTimeParams( $mask['first'] )->dateTimeParams( $mask['last'] )->numParams( $mask['changes'] )->escaped()
				. ' ' . $this->page->link( $mask['mask'], $this->msg( 'wikiveil-mask-page' ) ) ) );
		}
	}

	/** @inheritDoc */
	public function doesWrites() {
		return true;
	}
}
