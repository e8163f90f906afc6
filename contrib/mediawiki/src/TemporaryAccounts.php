<?php

namespace MediaWiki\Extension\Wikiveil;

use MediaWiki\Page\PageReferenceValue;
use MediaWiki\Permissions\Authority;
use MediaWiki\User\ActorNormalization;
use MediaWiki\User\UserIdentity;
use MediaWiki\User\UserIdentityLookup;
use MediaWiki\User\UserNameUtils;
use MediaWiki\User\UserOptionsLookup;
use StatusValue;
use Wikimedia\IPUtils;
use Wikimedia\Rdbms\ILoadBalancer;

/**
 * The masks behind temporary accounts, as recent changes keep them ($wgPutIPinRC) for $wgRCMaxAge. Who may read them are
 * those whom CheckUser's rights let see a temporary account's address, and each reading is logged.
 */
class TemporaryAccounts {
	public const LOG = 'wikiveil-masks';

	private const RIGHT = 'checkuser-temporary-account-no-preference';
	/** Counts only for those who agreed to CheckUser's conditions in their preferences. */
	private const RIGHT_IF_AGREED = 'checkuser-temporary-account';
	private const AGREED = 'checkuser-temporary-account-enable';

	/** For how long a reading by the same user isn't logged again. As CheckUser's, in seconds. */
	private const LOG_AGAIN_AFTER = 86400;

	private ILoadBalancer $db;
	private ActorNormalization $actors;
	private UserIdentityLookup $users;
	private UserNameUtils $names;
	/** @var UserOptionsLookup */
	private $options;
	/** @var \MediaWiki\User\UserFactory */
	private $factory;

	/** @param UserOptionsLookup $options @param \MediaWiki\User\UserFactory $factory */
	public function __construct(
		ILoadBalancer $db, ActorNormalization $actors, UserIdentityLookup $users, UserNameUtils $names, $options, $factory
	) {
		$this->db = $db;
		$this->actors = $actors;
		$this->users = $users;
		$this->names = $names;
		$this->options = $options;
		$this->factory = $factory;
	}

	/** Reports whether a name is that of a temporary account. */
	public function isName( string $name ): bool {
		return $this->names->isTemp( $name );
	}

	/** Reports whether somebody has the right to read masks of temporary accounts. Blocks are read()'s to see. */
	public function mayRead( Authority $reader ): bool {
		return $reader->isAllowed( self::RIGHT ) || ( $reader->isAllowed( self::RIGHT_IF_AGREED )
			&& $this->options->getBoolOption( $reader->getUser(), self::AGREED ) );
	}

	/**
	 * Logs the reading and returns, as the status' value, the masks that the account acted from, the latest first:
	 * [ [ 'mask' => string, 'first' => TS_ISO_8601, 'last' => TS_ISO_8601, 'changes' => int ], … ]
	 */
	public function read( Authority $reader, string $name ): StatusValue {
		if ( !$this->mayRead( $reader ) ) {
			return StatusValue::newFatal( 'wikiveil-temporary-account-no-right' );
		}
		$block = $reader->getBlock();
		if ( $block && $block->isSitewide() ) {
			return StatusValue::newFatal( 'wikiveil-temporary-account-blocked' );
		}
		$name = $this->names->getCanonical( $name ) ?: '';
		$account = $this->isName( $name ) ? $this->users->getUserIdentityByName( $name ) : null;
		$isHidden = $account && $account->isRegistered() && $this->factory->newFromUserIdentity( $account )->isHidden();
		if ( !$account || !$account->isRegistered() || ( $isHidden && !$reader->isAllowed( 'hideuser' ) ) ) {
			return StatusValue::newFatal( 'wikiveil-temporary-account-unknown' );
		}
		$this->log( $reader->getUser(), $account, $isHidden );
		return StatusValue::newGood( $this->masksOf( $account ) );
	}

	private function masksOf( UserIdentity $account ): array {
		$db = $this->db->getConnection( DB_REPLICA );
		$rows = $db->newSelectQueryBuilder()
			->select( [ 'rc_ip', 'first' => 'MIN(rc_timestamp)', 'last' => 'MAX(rc_timestamp)', 'changes' => 'COUNT(*)' ] )
			->from( 'recentchanges' )
			->where( [
				'rc_actor' => $this->actors->findActorId( $account, $db ),
				'rc_type' => Client::CHANGES,
			] )
			->groupBy( 'rc_ip' )
			->caller( __METHOD__ )->fetchResultSet();
		$masks = [];
		foreach ( $rows as $row ) {
			// Never an address, as there may be from before the edge masked them.
			if ( Masks::isClientMask( $row->rc_ip ) ) {
				$masks[] = [
					'mask' => IPUtils::prettifyIP( $row->rc_ip ),
					'first' => wfTimestamp( TS_ISO_8601, $row->first ),
					'last' => wfTimestamp( TS_ISO_8601, $row->last ),
					'changes' => (int)$row->changes,
				];
			}
		}
		usort( $masks, static fn ( $a, $b ) => strcmp( $b['last'], $a['last'] ) );
		return $masks;
	}

	private function log( UserIdentity $reader, UserIdentity $account, bool $isHidden ): void {
		$db = $this->db->getConnection( DB_PRIMARY );
		$page = PageReferenceValue::localReference( NS_USER, strtr( $account->getName(), ' ', '_' ) );
		$logged = $db->newSelectQueryBuilder()
			->select( '1' )
			->from( 'logging' )
			->where( [
				'log_type' => self::LOG,
				'log_actor' => $this->actors->findActorId( $reader, $db ),
				'log_namespace' => NS_USER,
				'log_title' => $page->getDBkey(),
				'log_timestamp > ' . $db->addQuotes( $db->timestamp( time() - self::LOG_AGAIN_AFTER ) ),
			] )
			->caller( __METHOD__ )->fetchField();
		if ( $logged ) {
			return;
		}
		$entry = new \ManualLogEntry( self::LOG, 'view' );
		$entry->setPerformer( $reader );
		$entry->setTarget( $page );
		if ( $isHidden ) {
			// As MediaWiki does to the entries that there are when it hides an account: its name stays with those who may see it.
			$entry->setDeleted( \LogPage::DELETED_ACTION | \LogPage::DELETED_RESTRICTED );
		}
		$entry->insert( $db );
	}
}
