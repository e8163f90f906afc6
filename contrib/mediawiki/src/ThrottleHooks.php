<?php

namespace MediaWiki\Extension\Wikiveil;

use MediaWiki\Permissions\RateLimiter;
use MediaWiki\Permissions\RateLimitSubject;
use MediaWiki\User\Hook\PingLimiterHook;
use Wikimedia\WRStats\LimitCondition;
use Wikimedia\WRStats\WRStatsFactory;

/**
 * Counts the limits 'subnet' and 'subnet-all' of $wgRateLimits by a mask of the client's network. Core takes the mask
 * for an IPv6 address and counts its /64, which is one client.
 */
class ThrottleHooks implements PingLimiterHook {
	/** @var \Config */
	private $config;
	private RateLimiter $core;
	private WRStatsFactory $stats;
	/** Whether core is being asked by us. */
	private bool $asking = false;

	/** @param \Config $config */
	public function __construct( $config, RateLimiter $core, WRStatsFactory $stats ) {
		$this->config = $config;
		$this->core = $core;
		$this->stats = $stats;
	}

	/** @inheritDoc */
	public function onPingLimiter( $user, $action, &$result, $incrBy ) {
		$limits = $this->config->get( 'RateLimits' )[$action] ?? [];
		if ( $this->asking || !array_intersect_key( $limits, [ 'subnet' => 0, 'subnet-all' => 0 ] ) ) {
			return true;
		}
		$request = $user->getRequest();
		$network = ( new Client( $request ) )->rangeMask( $this->config->get( 'WikiveilSubnetRange' ) );
		$subject = new RateLimitSubject( $user, $request->getIP(), [
			RateLimitSubject::EXEMPT => $user->isAllowed( 'noratelimit' ),
			RateLimitSubject::NEWBIE => $user->isNewbie(),
		] );
		$exempt = ( $limits['&can-bypass'] ?? true ) && $this->core->isExempt( $subject );
		$conditions = $this->conditions( $limits, $subject );
		// What core refuses anyway isn't counted, or one client could use up the limit of all its neighbours.
		if ( $network === null || $exempt || !$conditions || $this->coreRefuses( $subject, $action ) ) {
			return true;
		}
		$batch = $this->stats->createRateLimiter( $conditions, [ 'wikiveil', $action ] )->createBatch( $incrBy ?: 1 );
		foreach ( array_keys( $conditions ) as $by ) {
			$batch->globalOp( $by, $network );
		}
		$counted = $incrBy === 0 ? $batch->peek() : $batch->tryIncr();
		$result = !$counted->isAllowed();
		return !$result;
	}

	/**
	 * As core, 'subnet' is for those without an account and for new ones. 'subnet-all' is for these, and for
	 * others unless they have a limit of their own.
	 *
	 * @return LimitCondition[]
	 */
	private function conditions( array $limits, RateLimitSubject $subject ): array {
		$isNewbie = $subject->is( RateLimitSubject::NEWBIE );
		$conditions = [];
		if ( $isNewbie && isset( $limits['subnet'] ) ) {
			$conditions['subnet'] = new LimitCondition( ...$limits['subnet'] );
		}
		if ( isset( $limits['subnet-all'] ) && ( $isNewbie || !isset( $limits['user'] ) ) ) {
			$conditions['subnet-all'] = new LimitCondition( ...$limits['subnet-all'] );
		}
		return $conditions;
	}

	private function coreRefuses( RateLimitSubject $subject, string $action ): bool {
		$this->asking = true;
		try {
			return $this->core->limit( $subject, $action, 0 );
		} finally {
			$this->asking = false;
		}
	}
}
