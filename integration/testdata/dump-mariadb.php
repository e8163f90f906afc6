<?php
// Prints every value of every row of a database behind a socket of MariaDB.
$db = new mysqli( null, 'root', '', $argv[2], 0, $argv[1] );
foreach ( $db->query( 'SHOW TABLES' )->fetch_all() as [ $table ] ) {
	foreach ( $db->query( "SELECT * FROM `$table`" ) as $row ) {
		foreach ( $row as $column => $value ) {
			echo "$table.$column: $value\n";
		}
	}
}
