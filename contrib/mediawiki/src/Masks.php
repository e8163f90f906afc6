<?php

namespace MediaWiki\Extension\Wikiveil;

use Wikimedia\IPUtils;

/** What masks look like: IPv6 addresses out of a range that is never routed. */
class Masks {
	private const ALL = '2001:20::/28';
	private const CLIENTS = '2001:2f::/32';

	/** The prefix length of the widest range that may be blocked. Masks are random, so it still hits one client. */
	public const WIDEST_RANGE = 64;

	/** Reports whether a text is the mask of a client or of a network. */
	public static function isMask( string $text ): bool {
		return IPUtils::isValid( $text ) && IPUtils::isInRange( $text, self::ALL );
	}

	/** Reports whether a text is the mask of a client. */
	public static function isClientMask( string $text ): bool {
		return IPUtils::isValid( $text ) && IPUtils::isInRange( $text, self::CLIENTS );
	}

	/** Reports whether a range in CIDR notation holds the masks of many clients. */
	public static function isRangeOfMany( string $range ): bool {
		[ $start, $end ] = IPUtils::parseRange( $range );
		[ $first, $last ] = IPUtils::parseRange( self::ALL );
		$bits = (int)( explode( '/', $range )[1] ?? 128 );
		return $bits < self::WIDEST_RANGE && $start <= $last && $first <= $end;
	}
}
