
// What the tests add to the installer's settings.

// Each test has its own ports and its own copy of this directory.
$wgServer = 'http://' . ( $_SERVER['HTTP_HOST'] ?? 'wiki.localhost' );
$wgUploadDirectory = __DIR__ . '/images';
$wgCacheDirectory = __DIR__ . '/cache';
$wgEnableUploads = true;

// What the edge's documentation tells an operator to set.
$wgApplyIpBlocksToXff = true;
$wgCdnServersNoPurge = [ '127.0.0.1' ];

// A cookie would stop a blocked browser too; here the address alone shall.
$wgCookieSetOnIpBlock = false;

// Throttles count in an object cache.
$wgMainCacheType = CACHE_DB;
$wgRateLimits = [];

// Every header that arrives is in this log, so that a search of it finds a leak.
$wgDebugLogFile = __DIR__ . '/debug.log';

$wgAllowUserJs = true;

// Pages as readers know them: with gadgets and with an editor's toolbar.
wfLoadExtensions( [ 'Gadgets', 'WikiEditor' ] );
