// Says at the foot of a page, once, that a declared tool was stopped there, and leads to the question whether to let it through.
(function () {
	'use strict';
	if (window.wikiveilNotices === true) { return; } // an element of that id, which editors can make, is none
	window.wikiveilNotices = true;

	var kinds = {
		'img-src': 'img', 'font-src': 'font', 'style-src': 'style', 'style-src-elem': 'style', 'media-src': 'media', 'connect-src': 'data',
		'script-src': 'script', 'script-src-elem': 'script'
	};
	var key = 'wikiveil-notice', done = false, asked, seen = Object.create(null);
	function closed() { try { return sessionStorage.getItem(key); } catch (e) { return false; } }
	function originOf(address) { try { return new URL(address).origin; } catch (e) { return ''; } }

	function add(parent, name, text) {
		var element = document.createElement(name);
		element.textContent = text;
		parent.appendChild(element);
		return element;
	}
	function show(tool, words) {
		var line = document.createElement('div'), link, button;
		done = true;
		line.id = 'wikiveil-notice';
		line.lang = words.lang;
		line.dir = words.dir;
		line.setAttribute('role', 'status');
		line.setAttribute('aria-label', words.label);
		// By the object model, which no policy stops; in colors of the page's own scheme.
		line.style.cssText = 'position:fixed;z-index:1000;inset-inline:0;bottom:0;box-sizing:border-box;padding:.4rem 1rem;display:flex;flex-wrap:wrap;' +
			'gap:.2rem 1rem;align-items:center;font:14px/1.5 sans-serif;color:CanvasText;background:Canvas;border-top:1px solid GrayText';
		document.body.appendChild(line); // empty at first: what comes then is read out
		add(line, 'span', words.text.replace('$1', function () { return '\u2068' + tool.title + '\u2069'; })); // whose direction may be another
		link = add(line, 'a', words.ask);
		link.href = tool.ask;
		link.style.cssText = 'color:LinkText;text-decoration:underline';
		button = add(line, 'button', words.close);
		button.type = 'button';
		button.style.cssText = 'margin-inline-start:auto;font:inherit;min-height:24px';
		button.onclick = function () {
			line.remove();
			try { sessionStorage.setItem(key, 'closed'); } catch (e) { /* then for this page */ }
		};
	}
	// Where the body isn't there yet, the line waits for it.
	function whenReady(f) {
		if (document.body) { f(); } else { document.addEventListener('DOMContentLoaded', f); }
	}

	addEventListener('securitypolicyviolation', function (violation) {
		var kind = kinds[violation.effectiveDirective], from = originOf(violation.blockedURI);
		if (done || violation.disposition !== 'enforce' || !kind || !from || from === location.origin || seen[kind + from] || closed()) { return; }
		seen[kind + from] = true; // a page may be stopped thousands of times
		asked = asked || fetch('/.privacy/tools.json').then(function (response) { return response.ok ? response.json() : { tools: {} }; });
		asked.then(function (told) {
			return told.notice && Object.keys(told.tools).some(function (name) {
				var tool = told.tools[name];
				if (!tool.ask || tool.origins.indexOf(from) < 0 || tool.kinds.indexOf(kind) < 0) { return false; }
				whenReady(function () { if (!done) { show(tool, told.notice); } });
				return true;
			});
		}).catch(function () { /* the page is as good without */ });
	});
})();
