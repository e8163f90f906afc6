<?php

namespace MediaWiki\Extension\Wikiveil;

use Wikimedia\ParamValidator\ParamValidator;

/** action=temporaryaccountmasks: the masks behind a temporary account, for those whom the wiki lets see addresses of such. */
class ApiTemporaryAccountMasks extends \ApiBase {
	private TemporaryAccounts $accounts;

	/** @param \ApiMain $main */
	public function __construct( $main, string $action, TemporaryAccounts $accounts ) {
		parent::__construct( $main, $action );
		$this->accounts = $accounts;
	}

	/** @inheritDoc */
	public function execute() {
		$user = $this->extractRequestParams()['user'];
		$status = $this->accounts->read( $this->getAuthority(), $user );
		if ( !$status->isOK() ) {
			$this->dieStatus( $status );
		}
		$masks = $status->getValue();
		\ApiResult::setIndexedTagName( $masks, 'mask' );
		$this->getResult()->addValue( null, $this->getModuleName(), [ 'user' => $user, 'masks' => $masks ] );
	}

	/** @inheritDoc */
	public function getAllowedParams() {
		return [ 'user' => [ ParamValidator::PARAM_TYPE => 'string', ParamValidator::PARAM_REQUIRED => true ] ];
	}

	/** @inheritDoc */
	public function mustBePosted() {
		return true;
	}

	/** @inheritDoc */
	public function needsToken() {
		return 'csrf';
	}

	/** It writes to the log. @inheritDoc */
	public function isWriteMode() {
		return true;
	}
}
