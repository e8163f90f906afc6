// Leads what gadgets load from declared tools to the wiki's own proxy. It only changes addresses: what it misses the policy stops, as before.
(function (map) {
	'use strict';
	var found = Object.keys(Object.assign({}, map.origins, map.files, map.frames));
	if (!found.length || window.wikiveilRewrites) { return; }
	window.wikiveilRewrites = true;

	var escaped = found.sort(function (a, b) { return b.length - a.length; }).map(function (address) {
		return address.replace(/^https?:/, '').replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
	}).join('|');
	var known = '(?:' + escaped + ')(?:/|(?=[?#"\')\\s,>&]|$))', whole = '((?:https?:)?' + known + ')';
	var mentions = new RegExp(known);
	var inText = new RegExp('(^|[\\s"\'(,])' + whole, 'g');
	// In markup only what elements load, and nothing is parsed and written anew: who made it safe did so for the text that it is.
	var inMarkup = new RegExp('(<(?:img|source|video|audio|track)\\b[^<>]*?\\b(?:src|srcset|poster)\\s*=\\s*["\']?|<link\\b[^<>]*?\\bhref\\s*=\\s*["\']?)' + whole, 'gi');
	var styles = /<[a-z][^<>]*?\sstyle\s*=\s*(?:"[^"]*"|'[^']*')|<style\b[^>]*>[^<]*/gi;
	var inStyle = new RegExp('(url\\(\\s*(?:["\']|&quot;|&#39;)?)' + whole, 'gi');
	var stopped = {}; // in place of a value that isn't to be set

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
	// framed is where the edge frames a tool's page, with the features that the tool may have.
	function framed(address, element) {
		var url, tool;
		try { url = new URL(address, document.baseURI); } catch (e) { return address; }
		tool = map.frames[url.origin];
		if (!tool) { return address; }
		setAttribute.call(element, 'allow', tool.allow);
		return location.origin + tool.path + url.pathname.slice(1) + url.search;
	}
	function within(pattern, value) {
		return typeof value !== 'string' || !mentions.test(value) ? value : value.replace(pattern, function (all, before, address) { return before + to(address); });
	}
	// text maps the addresses in a style sheet or a srcset, html those in markup.
	function text(value) { return within(inText, value); }
	function html(value) {
		if (typeof value !== 'string' || !mentions.test(value)) { return value; }
		return within(inMarkup, value).replace(styles, function (style) { return within(inStyle, style); });
	}

	var loads = { IMG: ['src', 'srcset'], LINK: ['href'], SOURCE: ['src', 'srcset'], VIDEO: ['src', 'poster'], AUDIO: ['src'], TRACK: ['src'], IFRAME: ['src'] };
	var setAttribute = Element.prototype.setAttribute, getAttribute = Element.prototype.getAttribute;
	function changed(name, value, element) { return element.tagName === 'IFRAME' ? framed(value, element) : name === 'srcset' ? text(value) : to(value); }
	// restyle maps addresses in what of a style is in force: where the policy stopped the attribute that is nothing, and stays so.
	function restyle(style) {
		Array.prototype.slice.call(style).forEach(function (name) {
			var value = style.getPropertyValue(name), other = text(value);
			if (other !== value) { style.setProperty(name, other, style.getPropertyPriority(name)); }
		});
	}
	function each(element) {
		(loads[element.tagName] || []).forEach(function (name) {
			var value = getAttribute.call(element, name), other = value === null ? null : changed(name, value, element);
			if (other !== value) { setAttribute.call(element, name, other); }
		});
		if (mentions.test(getAttribute.call(element, 'style') || '')) { restyle(element.style); }
		if (element.tagName === 'STYLE' && mentions.test(element.textContent)) {
			var css = text(element.textContent);
			if (css !== element.textContent) { element.textContent = css; }
		}
	}

	// script leads a mirror's script there. Of other tools none runs; a call of a function with data (JSONP) is made here, with the data alone.
	function script(element, value) {
		var address = to(value), names = [], url, name;
		if (address === value) { return value; }
		url = new URL(address);
		if (Object.keys(map.files).some(function (file) { return url.pathname + url.search === map.files[file]; })) { return address; }
		['callback', 'jsonp', 'jsoncallback'].forEach(function (key) {
			names = names.concat(url.searchParams.getAll(key));
			url.searchParams.delete(key);
		});
		url.searchParams.delete('_'); // jQuery's, against caches
		name = names[0];
		if (names.length !== 1 || !/^[\w$]+(\.[\w$]+)*$/.test(name)) { return value; }
		fetch(url.href).then(function (response) {
			if (!response.ok) { throw new Error(response.status); }
			return response.json();
		}).then(function (data) {
			// A text could be run, by setTimeout for one, and so could a list that becomes one.
			if (!data || typeof data !== 'object') { throw new TypeError('not an object or a list'); }
			if (Array.isArray(data)) { Object.defineProperty(data, 'toString', { value: Object.prototype.toString }); }
			var call = name.split('.').reduce(function (object, key) { return object && object[key]; }, window);
			setTimeout(function () { // what it throws is its own
				call(data);
				element.dispatchEvent(new Event('load'));
			});
		}).catch(function () { element.dispatchEvent(new Event('error')); });
		return stopped;
	}

	function property(prototype, name, change) {
		var own = Object.getOwnPropertyDescriptor(prototype, name);
		Object.defineProperty(prototype, name, {
			configurable: true, enumerable: own.enumerable, get: own.get,
			set: function (value) {
				value = change(value, this);
				if (value !== stopped) { own.set.call(this, value); }
			}
		});
	}
	property(Element.prototype, 'innerHTML', html);
	property(HTMLIFrameElement.prototype, 'src', framed);
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
	var send = window.fetch;
	window.fetch = function (request, options) {
		if (!(request instanceof Request)) { return send.apply(this, argument(0, to)(Array.prototype.slice.call(arguments))); }
		var address = to(request.url);
		if (address === request.url) { return send.call(this, request, options); }
		if (/^(GET|HEAD)$/.test(request.method)) { return send.call(this, new Request(address, request), options); }
		// No Request takes another's body in all browsers.
		return request.blob().then(function (body) {
			var same = { body: body };
			['method', 'headers', 'mode', 'credentials', 'cache', 'redirect', 'referrer', 'referrerPolicy', 'integrity', 'keepalive', 'signal'].forEach(function (name) {
				same[name] = request[name];
			});
			return send(new Request(address, same), options);
		});
	};
	method(Element.prototype, 'setAttribute', function (args) {
		var name = String(args[0]).toLowerCase();
		if (this.tagName === 'SCRIPT' && name === 'src') {
			args[1] = script(this, args[1]);
			return args[1] === stopped ? undefined : args;
		}
		if ((loads[this.tagName] || []).indexOf(name) >= 0) { args[1] = changed(name, args[1], this); }
		return args;
	});

	// What comes any other way: markup of the page's own, styles that scripts set.
	new MutationObserver(function (records) {
		records.forEach(function (record) {
			if (record.type === 'attributes' || record.target.tagName === 'STYLE') { each(record.target); }
			record.addedNodes.forEach(function (node) {
				if (node.nodeType !== 1) { return; }
				each(node);
				Element.prototype.querySelectorAll.call(node, 'img, link, source, video, audio, track, iframe, style, [style]').forEach(each);
			});
		});
	}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['src', 'srcset', 'href', 'poster', 'style'] });
})
