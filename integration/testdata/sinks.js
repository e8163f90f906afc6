// Ways to have a browser run a resource. attempt() tells whether it ran: it waits
// until the browser has given the resource to the sink, refused it, or until the
// resource's code has announced itself.
const ran = new Set();
const announced = new EventTarget();
function hear(event) {
	ran.add(event.data);
	announced.dispatchEvent(new Event(String(event.data)));
}
new BroadcastChannel('ran').onmessage = hear;
addEventListener('message', hear);

// What a sink is made of stays referred to, or its events might never come.
const kept = [];
const keep = object => kept[kept.push(object) - 1];

const sleep = milliseconds => new Promise(done => setTimeout(done, milliseconds));
const once = (target, ...names) => new Promise(done => names.forEach(name => target.addEventListener(name, done, {once: true})));

function element(name, attributes) {
	const e = keep(Object.assign(document.createElement(name), attributes));
	const settled = once(e, 'load', 'error');
	document.body.append(e);
	return settled;
}

function worker(w) {
	keep(w).onmessage = hear;
	return once(w, 'message', 'error');
}

// What has been registered or added as a module has run, whether or not it could say so.
const hasRun = url => hear({data: new URL(url, location).search.slice(1)});

async function serviceWorker(url, options) {
	const registration = await navigator.serviceWorker.register(url, options);
	hasRun(url);
	await registration.unregister();
}

async function worklet(url) {
	await keep(new AudioContext()).audioWorklet.addModule(url);
	hasRun(url);
}

// A form's answer, in a frame.
function form(url) {
	const frame = keep(Object.assign(document.createElement('iframe'), {name: url}));
	const f = Object.assign(document.createElement('form'), {action: url, method: 'POST', target: url});
	f.append(Object.assign(document.createElement('input'), {name: 'a', value: '1'}));
	document.body.append(frame, f);
	const settled = once(frame, 'load');
	f.submit();
	return Promise.race([settled, sleep(1000)]); // what is saved is not loaded
}

const sinks = {
	script: url => element('script', {src: url}),
	module: url => element('script', {src: url, type: 'module'}),
	import: url => import(url),
	worker: url => worker(new Worker(url)),
	moduleWorker: url => worker(new Worker(url, {type: 'module'})),
	// Chromium does not always tell that a shared worker's code failed.
	sharedWorker: url => Promise.race([once(keep(new SharedWorker(url)), 'error'), sleep(3000)]),
	importScripts: url => worker(new Worker(URL.createObjectURL(new Blob(
		[`try { importScripts(${JSON.stringify(new URL(url, location).href)}) } finally { postMessage('done') }`])))),
	serviceWorker: url => serviceWorker(url, {}),
	moduleServiceWorker: url => serviceWorker(url, {type: 'module'}),
	worklet,
	frame: url => element('iframe', {src: url}),
	object: url => element('object', {data: url}),
	form,
	embed: url => element('embed', {src: url}),
};

async function attempt(sink, url, id) {
	const spoke = once(announced, id);
	// An embed that the policy forbids tells nothing else.
	const forbidden = new Promise(done => document.addEventListener('securitypolicyviolation',
		event => event.blockedURI.endsWith(id) && done()));
	const settled = (async () => sinks[sink](url))().catch(() => {});
	await Promise.race([settled, spoke, forbidden]);
	// What was announced before the sink settled is heard by now, or next.
	for (let i = 0; i < 3; i++) {
		await sleep(0);
	}
	return ran.has(id);
}

// get has the browser load a resource as what it pretends to be, and tells whether it
// came out of the cache.
const getters = {
	fetched: url => fetch(url).then(r => r.text()),
	shown: url => element('img', {src: url}),
	preloaded: url => element('link', {rel: 'preload', as: 'script', href: url}),
	styled: url => element('link', {rel: 'stylesheet', href: url}),
};

async function get(how, url) {
	await getters[how](url);
	// The browser may note a load a little later than it is done.
	for (;;) {
		const entry = performance.getEntriesByName(new URL(url, location).href).at(-1);
		if (entry) {
			return entry.deliveryType === 'cache';
		}
		await sleep(0);
	}
}
