<?php

namespace MediaWiki\Extension\Wikiveil;

/** The edge's page where masks are looked up. It says itself who may. */
class MaskPage {
	private string $page;

	/** @param string $page path or URL, '' for none */
	public function __construct( string $page ) {
		$this->page = $page;
	}

	public function isKnown(): bool {
		return $this->page !== '';
	}

	/** Returns a link in HTML, '' without a page. @param string $mask, or '' @param \Message $text */
	public function link( string $mask, $text ): string {
		if ( !$this->isKnown() ) {
			return '';
		}
		$href = $mask === '' ? $this->page : wfAppendQuery( $this->page, [ 'masks' => $mask ] );
		return '<a class="wikiveil-mask-page" href="' . htmlspecialchars( $href ) . '">' . $text->escaped() . '</a>';
	}
}
