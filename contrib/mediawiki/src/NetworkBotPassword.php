<?php

namespace MediaWiki\Extension\Wikiveil;

/** A bot password whose restrictions the client's networks can meet. What is stored of it stays as it was. */
class NetworkBotPassword extends \BotPassword {
	private array $rangesOf = [];

	/** @param \BotPassword $password as core's store has read it */
	public static function of( $password, int $flags, array $rangesOf ): self {
		$own = new self( (object)[
			'bp_user' => $password->getUserCentralId(),
			'bp_app_id' => $password->getAppId(),
			'bp_token' => $password->getToken(),
			'bp_restrictions' => $password->getRestrictions()->toJson(),
			'bp_grants' => \FormatJson::encode( $password->getGrants() ),
		], $password->isSaved(), $flags );
		$own->rangesOf = $rangesOf;
		return $own;
	}

	/** @inheritDoc */
	public function getRestrictions() {
		return NetworkRestrictions::of( parent::getRestrictions(), $this->rangesOf );
	}
}
