<?php

namespace MediaWiki\Extension\Wikiveil;

use MediaWiki\ChangeTags\Hook\ChangeTagsListActiveHook;
use MediaWiki\ChangeTags\Hook\ListDefinedTagsHook;
use MediaWiki\Hook\RecentChange_saveHook;
use MediaWiki\User\Hook\AutopromoteConditionHook;

/** What a wiki makes of the client's networks by its settings: change tags, and conditions for groups. */
class NetworkHooks implements AutopromoteConditionHook, ChangeTagsListActiveHook, ListDefinedTagsHook, RecentChange_saveHook {
	private const TAG = 'wikiveil-network-';

	/** @var string[] names of the networks whose changes are tagged */
	private array $tagged;

	/** @param \Config $config */
	public function __construct( $config ) {
		$this->tagged = $config->get( 'WikiveilTaggedNetworks' );
	}

	/** [ 'wikiveil-network', 'tor', … ] in $wgAutopromote: the user is in one of the networks, by name or by mask. @inheritDoc */
	public function onAutopromoteCondition( $type, $args, $user, &$result ) {
		if ( $type !== 'wikiveil-network' ) {
			return;
		}
		$client = Client::of( $user );
		$result = $client !== null && (bool)array_intersect(
			array_map( [ \Wikimedia\IPUtils::class, 'sanitizeIP' ], $args ),
			array_map( [ \Wikimedia\IPUtils::class, 'sanitizeIP' ], array_merge( $client->networks(), $client->networkMasks() ) ) );
	}

	/** @inheritDoc */
	public function onRecentChange_save( $recentChange ) {
		if ( !$this->tagged || !in_array( $recentChange->getAttribute( 'rc_type' ), Client::CHANGES, true ) ) {
			return;
		}
		$client = Client::of( $recentChange->getPerformerIdentity() );
		if ( $client ) {
			$recentChange->addTags( $this->tags( array_intersect( $this->tagged, $client->networks() ) ) );
		}
	}

	/** @inheritDoc */
	public function onListDefinedTags( &$tags ) {
		$tags = array_merge( $tags, $this->tags( $this->tagged ) );
	}

	/** @inheritDoc */
	public function onChangeTagsListActive( &$tags ) {
		$this->onListDefinedTags( $tags );
	}

	/** @return string[] */
	private function tags( array $networks ): array {
		return array_map( static fn ( $name ) => self::TAG . $name, array_values( $networks ) );
	}
}
