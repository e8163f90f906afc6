// Leads what gadgets load from declared tools to the wiki's own proxy. It only changes addresses: what it misses the policy stops, as before.
(function (map) {
	'use strict';
	var found = Object.keys(map.origins).concat(Object.keys(map.files));
	if (!found.length || window.wikiveilRewrites) { return; }
	window.wikiveilRewrites = true;

	var escaped = found.sort(function (a, b) { return b.length - a.length; }).map(function (address) {
		return address.replace(/^https?:/, '').replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
	}).join('|');
	var mentions = new RegExp('(?:' + escaped + ')');
	var whole = '((?:https?:)?(?:' + escaped + ')(?:/|(?=[?#"\')\\s,>&]|$)))';
	var inText = new RegExp('(^|[\\s"\'(,])' + whole, 'g');
	// In markup only what elements load, and nothing is parsed and written anew: who made it safe did so for the text that it is.
	var inMarkup = new RegExp('(<(?:img|source|video|audio|track)\\b[^<>]*?\\b(?:src|srcset|poster)\\s*=\\s*["\']?|<link\\b[^<>]*?\\bhref\\s*=\\s*["\']?|' +
		'url\\(\\s*(?:["\']|&quot;)?)' + whole, 'gi');

	// to is where an address leads: a tool's to the proxy, any other stays the value that it was.
	function to(address) {
		var url, path, hash;
		try { url = new URL(address, document.baseURI); } catch (e) { return address; }
		hash = url.hash;
		url.hash = '';
		path = map.files[url.href];
		if (path) { return location.origin + path + hash; }
		path = map.origins[url.origin] || map.origins[url.origin.replace(/^http:/, 'https:')];
		return path ? location.origin + path + url.pathname.slice(1) + url.search + hash : address;
	}
	// text maps the addresses in a style sheet or a srcset.
	function within(pattern, value) {
		return typeof value !== 'string' || !mentions.test(value) ? value : value.replace(pattern, function (all, before, address) { return before + to(address); });
	}
	function text(value) { return within(inText, value); }
	function html(value) { return within(inMarkup, value); }

	var loads = { IMG: ['src', 'srcset'], LINK: ['href'], SOURCE: ['src', 'srcset'], VIDEO: ['src', 'poster'], AUDIO: ['src'], TRACK: ['src'] };
	var setAttribute = Element.prototype.setAttribute;
	function changed(name, value) { return name === 'srcset' ? text(value) : to(value); }
	function each(element) {
		(loads[element.tagName] || []).forEach(function (name) {
			var value = element.getAttribute(name), other = value === null ? null : changed(name, value);
			if (other !== value) { setAttribute.call(element, name, other); }
		});
		if (mentions.test(element.getAttribute('style') || '')) { element.style.cssText = text(element.getAttribute('style')); }
		if (element.tagName === 'STYLE' && mentions.test(element.textContent)) {
			var css = text(element.textContent);
			if (css !== element.textContent) { element.textContent = css; }
		}
	}

	// script leads a mirror's script there. Of other tools none runs; a call of a function with data (JSONP) is made here, with the data alone.
	function script(element, value) {
		var address = to(value), url, name;
		if (address === value) { return value; }
		url = new URL(address);
		if (Object.keys(map.files).some(function (file) { return url.pathname + url.search === map.files[file]; })) { return address; }
		['callback', 'jsonp', 'jsoncallback'].forEach(function (key) {
			name = name || url.searchParams.get(key);
			url.searchParams.delete(key);
		});
		url.searchParams.delete('_'); // jQuery's, against caches
		if (!/^[\w$]+(\.[\w$]+)*$/.test(name || '')) { return value; }
		fetch(url.href).then(function (response) {
			if (!response.ok) { throw new Error(response.status); }
			return response.json();
		}).then(function (data) {
			var call = name.split('.').reduce(function (object, key) { return object && object[key]; }, window);
			setTimeout(function () { // what it throws is its own
				call(data);
				element.dispatchEvent(new Event('load'));
			});
		}).catch(function () { element.dispatchEvent(new Event('error')); });
		return null;
	}

	function property(prototype, name, change) {
		var own = Object.getOwnPropertyDescriptor(prototype, name);
		Object.defineProperty(prototype, name, {
			configurable: true, enumerable: own.enumerable, get: own.get,
			set: function (value) {
				value = change(value, this);
				if (value !== null) { own.set.call(this, value); }
			}
		});
	}
	property(Element.prototype, 'innerHTML', html);
	property(HTMLImageElement.prototype, 'src', to);
	property(HTMLImageElement.prototype, 'srcset', text);
	property(HTMLLinkElement.prototype, 'href', to);
	property(HTMLMediaElement.prototype, 'src', to);
	property(HTMLSourceElement.prototype, 'src', to);
	property(HTMLTrackElement.prototype, 'src', to);
	property(HTMLScriptElement.prototype, 'src', function (value, element) { return script(element, value); });

	function method(prototype, name, change) {
		var own = prototype[name];
		prototype[name] = function () {
			var args = change.call(this, Array.prototype.slice.call(arguments));
			return args && own.apply(this, args);
		};
	}
	function argument(i, change) {
		return function (args) {
			if (args.length > i) { args[i] = change(args[i]); }
			return args;
		};
	}
	method(XMLHttpRequest.prototype, 'open', argument(1, to));
	method(Element.prototype, 'insertAdjacentHTML', argument(1, html));
	method(CSSStyleSheet.prototype, 'insertRule', argument(0, text));
	method(window, 'fetch', argument(0, function (request) {
		if (!(request instanceof Request)) { return to(request); }
		var address = to(request.url);
		return address === request.url ? request : new Request(address, request);
	}));
	method(Element.prototype, 'setAttribute', function (args) {
		var name = String(args[0]).toLowerCase();
		if (this.tagName === 'SCRIPT' && name === 'src') {
			args[1] = script(this, args[1]);
			return args[1] === null ? undefined : args;
		}
		if ((loads[this.tagName] || []).indexOf(name) >= 0) { args[1] = changed(name, args[1]); }
		return args;
	});

	// What comes any other way: markup of the page's own, styles that scripts set.
	new MutationObserver(function (records) {
		records.forEach(function (record) {
			if (record.type === 'attributes' || record.target.tagName === 'STYLE') { each(record.target); }
			record.addedNodes.forEach(function (node) {
				if (node.nodeType !== 1) { return; }
				each(node);
				node.querySelectorAll('img, link, source, video, audio, track, style, [style]').forEach(each);
			});
		});
	}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['src', 'srcset', 'href', 'poster', 'style'] });
})
