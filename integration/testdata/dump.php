<?php
// Prints every value of every row of the SQLite databases in a directory, and
// the inflated form of those that MediaWiki's object cache stored deflated.
foreach ( glob( "$argv[1]/*.sqlite" ) as $file ) {
	$db = new PDO( "sqlite:$file" );
	$tables = $db->query( "SELECT name FROM sqlite_master WHERE type = 'table'" );
	foreach ( $tables->fetchAll( PDO::FETCH_COLUMN ) as $table ) {
		foreach ( $db->query( "SELECT * FROM \"$table\"", PDO::FETCH_ASSOC ) as $row ) {
			foreach ( $row as $column => $value ) {
				echo "$table.$column: $value\n";
				$inflated = @gzinflate( (string)$value );
				if ( $inflated !== false ) {
					echo "$table.$column: $inflated\n";
				}
			}
		}
	}
}
