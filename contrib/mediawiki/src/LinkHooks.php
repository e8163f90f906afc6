<?php

namespace MediaWiki\Extension\Wikiveil;

use MediaWiki\Hook\ContributionsToolLinksHook;
use MediaWiki\Hook\SpecialBlockModifyFormFieldsHook;

/** Links to the edge's mask page, for those who may block. The page itself says who may look masks up. */
class LinkHooks implements ContributionsToolLinksHook, SpecialBlockModifyFormFieldsHook {
	private string $page;

	/** @param \Config $config */
	public function __construct( $config ) {
		$this->page = $config->get( 'WikiveilMaskPage' );
	}

	/** @inheritDoc */
	public function onContributionsToolLinks( $id, $title, &$tools, $specialPage ) {
		$mask = $title->getText();
		if ( $this->page !== '' && Masks::isMask( $mask ) && $specialPage->getAuthority()->isAllowed( 'block' ) ) {
			$tools['wikiveil'] = $this->link( $mask, $specialPage->msg( 'wikiveil-mask-page' ) );
		}
	}

	/** @inheritDoc */
	public function onSpecialBlockModifyFormFields( $sp, &$fields ) {
		if ( $this->page === '' ) {
			return;
		}
		$target = (string)( $fields['Target']['default'] ?? '' );
		$isMask = Masks::isMask( $target );
		$fields['WikiveilMaskPage'] = [
			'type' => 'info',
			'label-message' => 'wikiveil-block-form-label',
			'raw' => true,
			'default' => $this->link( $isMask ? $target : '',
				$sp->msg( $isMask ? 'wikiveil-block-form-mask' : 'wikiveil-block-form-page' ) ),
		];
	}

	/** @param string $mask, or '' @param \Message $text */
	private function link( string $mask, $text ): string {
		$href = $mask === '' ? $this->page : wfAppendQuery( $this->page, [ 'masks' => $mask ] );
		return '<a class="wikiveil-mask-page" href="' . htmlspecialchars( $href ) . '">' . $text->escaped() . '</a>';
	}
}
