<?php
// Fills a wiki with what years without masks leave: edits, pages and blocks of addresses, through MediaWiki's own code.
use MediaWiki\MediaWikiServices;

require_once getenv( 'MW_INSTALL_PATH' ) . '/maintenance/Maintenance.php';

class SeedAnonymous extends Maintenance {
	public function execute() {
		$services = MediaWikiServices::getInstance();
		$admin = $services->getUserFactory()->newFromName( 'Admin' );
		$edit = static function ( $user, $name, $text ) use ( $services ) {
			$title = $services->getTitleFactory()->newFromText( $name );
			$page = $services->getWikiPageFactory()->newFromTitle( $title );
			$status = $page->doUserEditContent( ContentHandler::makeContent( $text, $title ), $user, 'a summary' );
			if ( !$status->isOK() ) {
				throw new RuntimeException( "$name isn't saved: $status" );
			}
			return $page;
		};
		$addresses = json_decode( getenv( 'SEED_ADDRESSES' ) );
		foreach ( $addresses as $i => $address ) {
			$anonymous = $services->getUserFactory()->newAnonymous( $address );
			$edit( $anonymous, "Page $i", "First text $i." );
			$edit( $anonymous, "Page $i", "Second text $i, see [[User:$address]] and [[User talk:$address/Notes]]." );
			$edit( $admin, "User talk:$address", "A warning, number $i." );
			$edit( $admin, "User talk:$address/Notes", "Notes, number $i." );
			$title = $services->getTitleFactory()->newFromText( "User:$address" );
			$services->getWatchlistManager()->addWatchIgnoringRights( $admin, $title );
			$services->getTalkPageNotificationManager()->setUserHasNewMessages( $anonymous );
		}
		$page = $edit( $services->getUserFactory()->newAnonymous( $addresses[0] ), 'Gone', 'To be deleted.' );
		$services->getDeletePageFactory()->newDeletePage( $page, $admin )->deleteUnsafe( 'gone' );
		$titles = $services->getTitleFactory();
		$services->getMovePageFactory()->newMovePage( $titles->newFromText( "User talk:$addresses[1]/Notes" ), $titles->newFromText( "User talk:$addresses[2]/Moved" ) )
			->move( $admin, 'moved', true );
		foreach ( json_decode( getenv( 'SEED_BLOCKS' ), true ) as $target => $expiry ) {
			$status = $services->getBlockUserFactory()->newBlockUser( $target, $admin, $expiry, 'a reason', [ 'isHardBlock' => false, 'isCreateAccountBlocked' => true ] )->placeBlockUnsafe();
			if ( !$status->isOK() ) {
				throw new RuntimeException( "$target isn't blocked: $status" );
			}
		}
	}
}

$maintClass = SeedAnonymous::class;
require_once RUN_MAINTENANCE_IF_MAIN;
