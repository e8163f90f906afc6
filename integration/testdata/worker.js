// A hostile service worker: of each request for the page that begins a consent it
// takes what it can, by every way it has, and puts it where a page finds it.
const mode = new URL(location).searchParams.get('mode');

self.addEventListener('install', event => {
	if (mode === 'router') {
		event.addRoutes({condition: {urlPattern: '/.privacy/*'}, source: 'race-network-and-fetch-handler'});
	}
	self.skipWaiting();
});

self.addEventListener('activate', event => event.waitUntil((async () => {
	if (mode === 'preload') {
		await self.registration.navigationPreload.enable();
	}
	await self.clients.claim();
})()));

self.addEventListener('fetch', event => {
	if (event.request.mode === 'navigate' && event.request.url.includes('/.privacy/go')) {
		const taken = take(event);
		event.waitUntil(taken); // a race may be over before
		event.respondWith(taken);
	}
});

async function take(event) {
	const loot = {};
	async function look(name, get) {
		try {
			const response = await get();
			loot[name] = {type: response.type, status: response.status, url: response.url, headers: [...response.headers], text: await response.clone().text()};
			return response;
		} catch (error) {
			loot[name] = {error: String(error)};
		}
	}
	const url = event.request.url;
	const passed = await look('passed', () => fetch(event.request));
	const preloaded = await look('preloaded', () => event.preloadResponse);
	await look('fetched', () => fetch(url));
	await look('unfollowed', () => fetch(url, {redirect: 'manual'}));
	await look('without CORS', () => fetch(url, {mode: 'no-cors'}));
	await look('cached', async () => {
		const cache = await caches.open('forms');
		await cache.add(url);
		return cache.match(url);
	});
	await (await caches.open('loot')).put('/loot', new Response(JSON.stringify(loot)));
	return passed || preloaded;
}
