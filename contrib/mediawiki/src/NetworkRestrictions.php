<?php

namespace MediaWiki\Extension\Wikiveil;

use Wikimedia\IPUtils;

/** Restrictions of a bot to ranges of addresses, which the networks that the edge tells of the client can meet. */
class NetworkRestrictions extends \MWRestrictions {
	/** @var string[][] the ranges of named networks, in CIDR notation, by their names */
	private array $rangesOf = [];

	/** @param \MWRestrictions $restrictions */
	public static function of( $restrictions, array $rangesOf ): self {
		$own = new self( $restrictions->toArray() );
		$own->rangesOf = $rangesOf;
		return $own;
	}

	/**
	 * As core's, and lets in who is in a network whose mask is in the restrictions, or in a named network all of whose ranges are.
	 *
	 * @param \WebRequest $request
	 */
	public function check( $request ) {
		$status = parent::check( $request );
		$ok = $status->getValue();
		$ok['ip'] = $ok['ip'] || $this->allowsNetworksOf( new Client( $request ) );
		$status->setResult( !in_array( false, $ok, true ), $ok );
		return $status;
	}

	private function allowsNetworksOf( Client $client ): bool {
		foreach ( $client->networkMasks() as $mask ) {
			if ( $this->checkIP( $mask ) ) {
				return true;
			}
		}
		foreach ( $client->networks() as $name ) {
			$ranges = $this->rangesOf[$name] ?? [];
			if ( $ranges && array_filter( $ranges, [ $this, 'holdsRange' ] ) === $ranges ) {
				return true;
			}
		}
		return false;
	}

	/** Reports whether one of the restriction's ranges holds a whole other. */
	private function holdsRange( string $range ): bool {
		[ $start, $end ] = IPUtils::parseRange( $range );
		foreach ( $this->toArray()['IPAddresses'] as $allowed ) {
			[ $first, $last ] = IPUtils::parseRange( $allowed );
			// Not by <=: they are hexadecimal, and PHP takes "80E00000" for the number 80.
			if ( $start !== false && $first !== false && strcmp( $first, $start ) <= 0 && strcmp( $end, $last ) <= 0 ) {
				return true;
			}
		}
		return false;
	}
}
