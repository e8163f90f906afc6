<?php

namespace MediaWiki\Extension\Wikiveil;

use Wikimedia\IPUtils;

/**
 * What the edge says of the client that sent a request.
 *
 * The edge drops such headers where a client sends them, so they are its own words wherever a request came through it.
 * A request did if MediaWiki itself takes a client's mask for its address, and Client-Mask says the same: masks are never
 * routed, so nobody connects from one, and X-Forwarded-For counts only from proxies that $wgCdnServersNoPurge trusts.
 * Who reaches the wiki around the edge by such a proxy can claim any mask and any network: the wiki must be reachable
 * through the edge alone.
 */
class Client {
	/** The types of changes that are saved in the request of who makes them. Jobs save others in anybody's. */
	public const CHANGES = [ RC_EDIT, RC_NEW, RC_LOG ];

	/** @var \WebRequest */
	private $request;

	/** @param \WebRequest $request */
	public function __construct( $request ) {
		$this->request = $request;
	}

	/**
	 * The client of the request that is being answered, if a user acts by it; null for another user: a job that ends
	 * somebody's request acts for its owner, from none of the client's networks. Null, too, where MediaWiki has no sessions:
	 * load.php's responses are cached for everybody, so they say nothing of a client.
	 *
	 * @param \MediaWiki\User\UserIdentity $user
	 */
	public static function of( $user ): ?self {
		if ( defined( 'MW_NO_SESSION' ) ) {
			return null;
		}
		$context = \RequestContext::getMain();
		$isNamed = $user->isRegistered() && !\MediaWiki\MediaWikiServices::getInstance()->getUserNameUtils()->isTemp( $user->getName() );
		return $isNamed && !$user->equals( $context->getUser() ) ? null : new self( $context->getRequest() );
	}

	/** @return string[] names of the named networks that the client is in */
	public function networks(): array {
		return $this->words( 'Client-Network' );
	}

	/**
	 * The masks of the client's networks: the named ones as in networks(), its ranges, the network that its address was
	 * allocated from; then its own and its networks' masks from before rotations.
	 *
	 * @return string[]
	 */
	public function networkMasks(): array {
		return array_values( array_filter( $this->words( 'Client-Network-Masks' ), [ Masks::class, 'isMask' ] ) );
	}

	/**
	 * The mask of one of the client's ranges, counted from 1 as the edge's option `ranges` names them; null where there is none.
	 * Behind the last range comes the network that the address was allocated from.
	 */
	public function rangeMask( int $number ): ?string {
		$mask = $this->networkMasks()[ count( $this->networks() ) + $number - 1 ] ?? null;
		return $number < 1 || $mask === null || Masks::isClientMask( $mask ) ? null : $mask;
	}

	/** @return string[] what a header of the edge lists */
	private function words( string $header ): array {
		if ( !$this->cameThroughEdge() ) {
			return [];
		}
		$list = array_map( 'trim', explode( ',', (string)$this->request->getHeader( $header ) ) );
		return array_values( array_filter( $list, 'strlen' ) );
	}

	private function cameThroughEdge(): bool {
		$mask = (string)$this->request->getHeader( 'Client-Mask' );
		return Masks::isClientMask( $mask ) && IPUtils::sanitizeIP( $mask ) === IPUtils::sanitizeIP( $this->request->getIP() );
	}
}
