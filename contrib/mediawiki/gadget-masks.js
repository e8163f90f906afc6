/**
 * Popups at the masks that a Wikiveil edge puts in the place of addresses: organisation, networks, comparisons, members of a
 * network, what a block of it would hit, and links to block. In histories, recent changes, logs, diffs and contributions.
 *
 * The companion extension loads it by itself. Without that it's a gadget: save it as MediaWiki:Gadget-masks.js, and write
 *     * masks[ResourceLoader|dependencies=mediawiki.api,mediawiki.util|rights=block]|masks.js
 * into MediaWiki:Gadgets-definition. Nothing is looked up before a button is pressed: each look-up counts, and is in the audit.
 */
( function () {
	'use strict';

	var page = new URL( mw.config.get( 'wgWikiveilMaskPage', '/.privacy/masks/' ), location.href ),
		isMask = /^2001:2[ef]:[0-9a-f:]+$/i,
		isNetwork = /^2001:2e:/i,
		isTemporaryAccount = mw.util.isTemporaryUser || function () { return false; }, // by the wiki's own pattern; 1.39 has none
		maxCompared = 20, // the edge's limit
		selected = [],
		popup = null, // the open one: its elements, and whether it's pinned, so that it doesn't go with the pointer
		waiting; // the timer of a popup that is to open or to close

	// The edge answers scripts of its own origin alone. Both a gadget and the companion may load this.
	if ( page.origin !== location.origin || window.wikiveilMasks ) {
		return;
	}
	window.wikiveilMasks = true;

	/** Makes an element. What is data goes into text and attributes alone, never into HTML. */
	function make( tag, attributes, children ) {
		var element = document.createElement( tag );
		Object.keys( attributes || {} ).forEach( function ( name ) {
			element.setAttribute( name, attributes[ name ] );
		} );
		( children || [] ).forEach( function ( child ) {
			element.append( child );
		} );
		return element;
	}

	/** A button that calls a function with one argument. */
	function button( text, call, argument ) {
		var element = make( 'button', { type: 'button' }, [ text ] );
		element.addEventListener( 'click', call.bind( null, argument ) );
		return element;
	}

	function link( text, title, query ) {
		return make( 'a', { href: mw.util.getUrl( title, query ) }, [ text ] );
	}

	/** A list of names and values; values are texts, elements or lists of such. */
	function table( rows ) {
		return make( 'dl', {}, [].concat.apply( [], rows.map( function ( row ) {
			return [ make( 'dt', {}, [ row[ 0 ] ] ), make( 'dd', {}, [].concat( row[ 1 ] ) ) ];
		} ) ) );
	}

	function items( elements ) {
		return make( 'ul', {}, elements.map( function ( children ) {
			return make( 'li', {}, [].concat( children ) );
		} ) );
	}

	function day( time ) {
		return String( time ).slice( 0, 10 );
	}

	/** Posts to the edge, with the reason in the popup. Fails with { text, reason, status, retry: seconds or 0 }. */
	function ask( below, fields ) {
		fields.reason = popup.reason.value.trim();
		return fetch( page.pathname + below, {
			method: 'POST', headers: { Accept: 'application/json' }, body: new URLSearchParams( fields )
		} ).then( function ( response ) {
			return response.json().then( function ( answer ) {
				return response.ok ? answer : Promise.reject( {
					text: answer.error, reason: answer.reason, status: response.status, retry: Number( response.headers.get( 'Retry-After' ) )
				} );
			} );
		} ).catch( function ( failure ) {
			throw typeof failure.text === 'string' ? failure : { text: 'The mask page gave no answer that can be read.', status: 503 };
		} );
	}

	/** What somebody can do about a refusal. */
	function advice( failure ) {
		switch ( failure.reason ) {
			case 'anonymous':
				return link( 'Log in', 'Special:UserLogin', { returnto: mw.config.get( 'wgPageName' ) } );
			case 'right':
				return 'Those who may block on this wiki can look masks up for you.';
			case 'quota':
				return 'You can go on at ' + new Date( Date.now() + failure.retry * 1000 ).toLocaleString() + '. Others still can now.';
		}
		return failure.status < 429 ? '' : 'Try again in a moment. If that doesn’t help, tell those who run this wiki.';
	}

	/** Shows in the open popup what comes of a request, unless something else was asked there by then. */
	function show( request, view ) {
		var shown = popup;
		shown.pinned = true;
		shown.request = request;
		shown.result.replaceChildren( 'Looking …' );
		shown.element.focus( { preventScroll: true } ); // the button that was pressed may be gone
		request.then( view, function ( failure ) {
			return [ make( 'p', { class: 'wikiveil-refused' }, [ failure.text + ' ', advice( failure ) ] ) ];
		} ).then( function ( children ) {
			if ( shown.request === request ) {
				shown.result.replaceChildren.apply( shown.result, children );
				place( shown );
			}
		} );
	}

	/** Looks one mask up, or compares several with spaces between. */
	function lookUp( masks ) {
		show( ask( '', { masks: masks } ), / /.test( masks ) ? viewOfComparison : isNetwork.test( masks ) ? viewOfNetwork : viewOfMask );
	}

	function showMembers( mask ) {
		show( ask( 'members', { network: mask } ), viewOfMembers );
	}

	function showMasksOf( account ) {
		var asked = new mw.Api().postWithToken( 'csrf', {
			action: 'temporaryaccountmasks', user: account, formatversion: 2, errorformat: 'plaintext'
		} );
		show( new Promise( function ( resolve, reject ) {
			asked.then( resolve, function ( code, answer ) {
				reject( answer && answer.errors ? { text: answer.errors[ 0 ].text, status: 400 } :
					{ text: 'The wiki gave no answer that can be read.', status: 503 } );
			} );
		} ), viewOfAccount );
	}

	/** A network with what can be done about it. The width stands in words: behind the mask it would be another, wider range. */
	function network( of ) {
		return of ? [ ( of.text || of.name ) + ' ', button( 'Members', showMembers, of.mask ), ' ', link( 'Block', 'Special:Block/' + of.mask ) ] : 'none that is known';
	}

	function viewOfMask( answer ) {
		return [ table( [
			[ 'Organization', answer.organization ],
			[ 'Networks', items( answer.ranges.concat( answer.network || [] ).map( network ) ) ],
			[ 'Named networks', answer.named_networks.length ? items( answer.named_networks.map( network ) ) : 'none' ],
			[ 'Seen', day( answer.first_seen ) + ' to ' + day( answer.last_seen ) + ', ' + answer.sightings + ' times' ]
		] ) ];
	}

	function viewOfNetwork( answer ) {
		return [ table( [ [ 'Organization', answer.organization ], [ 'Network', network( answer.name ? answer : answer.network ) ] ] ) ];
	}

	function viewOfComparison( answer ) {
		return [ table( [
			[ 'City', answer.city ], [ 'Region', answer.region ], [ 'Country', answer.country ],
			[ 'Organization', answer.organization ], [ 'Narrowest network of all', network( answer.network ) ]
		] ) ];
	}

	function viewOfMembers( answer ) {
		var members = items( answer.members.map( function ( member ) {
			return [ goOn( member.mask ), ' ' + member.first_seen + ' to ' + member.last_seen + ', ' + member.sightings + ' times ',
				link( 'contributions', 'Special:Contributions/' + member.mask ) ];
		} ) );
		return [
			make( 'p', { class: 'wikiveil-collateral' }, [ answer.collateral.text + ' ', link( 'Block', 'Special:Block/' + answer.mask ) ] ),
			make( 'p', {}, [ 'Members' ] ), answer.not_named || members, answer.more ? 'There are more.' : ''
		];
	}

	function viewOfAccount( answer ) {
		var masks = answer.temporaryaccountmasks.masks;
		return masks.length ? [ items( masks.map( function ( seen ) {
			return [ goOn( seen.mask ), ' ' + day( seen.first ) + ' to ' + day( seen.last ) ];
		} ) ) ] : [ 'Recent changes hold no mask of this account any more.' ];
	}

	/** A button that goes on to another mask in the same popup. */
	function goOn( mask ) {
		return button( mask, fill, mask );
	}

	/** Takes a mask among those to compare with, or out of them. */
	function toggle( mask ) {
		var others = othersThan( mask );
		selected = others.length < selected.length ? others : others.concat( mask ).slice( 1 - maxCompared );
		fill( mask );
		popup.pinned = false; // the pointer may go on to the next mask
		popup.actions.querySelectorAll( 'button' )[ 1 ].focus();
	}

	function othersThan( mask ) {
		return selected.filter( function ( other ) {
			return other !== mask;
		} );
	}

	/** What can be done about one mask or account. */
	function actions( name ) {
		if ( isTemporaryAccount( name ) ) {
			return [ button( 'Show its masks', showMasksOf, name ) ];
		}
		if ( isNetwork.test( name ) ) {
			return [ button( 'Look up', lookUp, name ), button( 'Members', showMembers, name ), link( 'Block', 'Special:Block/' + name ) ];
		}
		var others = othersThan( name );
		return [
			button( 'Look up', lookUp, name ),
			button( others.length < selected.length ? 'Don’t compare' : 'Select to compare', toggle, name ),
			others.length ? button( 'Compare with ' + others.length + ' selected', lookUp, others.concat( name ).join( ' ' ) ) : '',
			link( 'Block', 'Special:Block/' + name )
		];
	}

	/** Makes the open popup one of a name. */
	function fill( name ) {
		if ( popup.element.contains( document.activeElement ) ) {
			popup.element.focus( { preventScroll: true } ); // the button that was pressed goes
		}
		popup.heading.textContent = name;
		popup.reason.parentElement.hidden = isTemporaryAccount( name ); // the wiki logs who reads an account's masks, without a reason
		popup.request = null;
		popup.result.replaceChildren();
		popup.actions.replaceChildren.apply( popup.actions, actions( name ) );
		place( popup );
	}

	/** Puts a popup below its button, within the window. */
	function place( of ) {
		var at = of.button.getBoundingClientRect(),
			left = Math.min( at.left, document.documentElement.clientWidth - of.element.offsetWidth - 8 );
		of.element.style.left = ( Math.max( left, 8 ) + window.scrollX ) + 'px';
		of.element.style.top = ( at.bottom + 4 + window.scrollY ) + 'px';
	}

	function close() {
		if ( popup ) {
			var hadFocus = popup.element.contains( document.activeElement );
			popup.element.remove();
			popup.button.setAttribute( 'aria-expanded', 'false' );
			if ( hadFocus ) {
				popup.button.focus();
			}
			popup = null;
		}
	}

	function openAt( of, name, pinned ) {
		if ( popup && popup.button === of ) {
			popup.pinned = popup.pinned || pinned;
			return;
		}
		close();
		popup = {
			button: of,
			heading: make( 'code', { id: 'wikiveil-popup-name', dir: 'ltr' } ),
			actions: make( 'div', { class: 'wikiveil-actions' } ),
			reason: make( 'input', { type: 'text', maxlength: 300, autocomplete: 'off' } ),
			result: make( 'div', { role: 'status' } )
		};
		var closing = button( '×', close );
		closing.setAttribute( 'aria-label', 'Close' );
		popup.element = make( 'div', { class: 'wikiveil-popup', role: 'dialog', 'aria-labelledby': 'wikiveil-popup-name', tabindex: -1 }, [
			make( 'div', { class: 'wikiveil-heading' }, [ popup.heading, closing ] ),
			popup.actions, make( 'label', {}, [ 'Reason, for the audit log ', popup.reason ] ), popup.result
		] );
		document.body.append( popup.element );
		followPointer( popup.element, function () {
			clearTimeout( waiting );
		}, leave );
		of.setAttribute( 'aria-expanded', 'true' );
		fill( name );
		popup.pinned = pinned;
	}

	/** Closes a popup that isn't pinned, unless the pointer gets to it in the meantime. */
	function leave() {
		clearTimeout( waiting );
		waiting = setTimeout( function () {
			if ( popup && !popup.pinned && !popup.element.contains( document.activeElement ) ) {
				close();
			}
		}, 400 );
	}

	function followPointer( element, enter, exit ) {
		element.addEventListener( 'mouseenter', enter );
		element.addEventListener( 'mouseleave', exit );
	}

	/** Makes the button that opens the popup of a name. The popup opens, too, where the pointer rests on it or on another element. */
	function opener( name, element ) {
		var of = make( 'button', {
			type: 'button', class: 'wikiveil-opener', 'aria-haspopup': 'dialog', 'aria-expanded': 'false', 'aria-label': 'About ' + name
		}, [ 'i' ] );
		function arrive() {
			clearTimeout( waiting );
			waiting = setTimeout( function () {
				if ( !popup || !popup.pinned ) {
					openAt( of, name, false );
				}
			}, 250 );
		}
		of.addEventListener( 'click', function () {
			clearTimeout( waiting );
			openAt( of, name, true );
			popup.element.focus();
		} );
		followPointer( of, arrive, leave );
		followPointer( element, arrive, leave );
		return of;
	}

	/** The name that the popup at a text is of, '' where there is none. Wikis write masks in upper case. */
	function nameIn( text ) {
		return isMask.test( text ) ? text.toLowerCase() : mw.config.get( 'wgWikiveilTemporaryAccounts', false ) && isTemporaryAccount( text ) ? text : '';
	}

	document.addEventListener( 'keydown', function ( event ) {
		return event.key === 'Escape' && close();
	} );
	document.addEventListener( 'mousedown', function ( event ) {
		return popup && !popup.element.contains( event.target ) && event.target !== popup.button && close();
	} );

	mw.util.addCSS( '.wikiveil-opener, .wikiveil-heading button { padding: 0; border: 1px solid; border-radius: 50%; width: 1.4em; height: 1.4em;' +
		' line-height: 1; font-size: 0.75em; background: none; color: inherit; cursor: pointer; }' +
		'.wikiveil-popup { position: absolute; z-index: 450; box-sizing: border-box; width: 34em; max-width: calc( 100vw - 16px ); padding: 0.8em;' +
		' border: 1px solid #a2a9b1; border-radius: 2px; box-shadow: 0 2px 6px rgba( 0, 0, 0, 0.2 ); font-size: 0.875rem;' +
		' background: var( --background-color-base, #fff ); color: var( --color-base, #202122 ); }' +
		'.wikiveil-heading { display: flex; justify-content: space-between; overflow-wrap: anywhere; }' +
		'.wikiveil-actions { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5em; margin: 0.5em 0; }' +
		'.wikiveil-popup dl { display: grid; grid-template-columns: 8em 1fr; gap: 0.2em 0.5em; margin: 0.5em 0 0; }' +
		'.wikiveil-popup dt { margin: 0; } .wikiveil-popup dd, .wikiveil-popup ul { margin: 0; list-style: none; overflow-wrap: anywhere; }' );

	mw.hook( 'wikipage.content' ).add( function ( $content ) {
		$content.find( 'a.mw-userlink:not( .wikiveil-marked )' ).each( function () {
			var name = nameIn( this.textContent.trim() );
			if ( name ) {
				this.classList.add( 'wikiveil-marked' );
				this.after( ' ', opener( name, this ) );
			}
		} );
	} );
	$( function () {
		var name = nameIn( mw.config.get( 'wgRelevantUserName' ) || '' );
		$( name ? '#firstHeading' : [] ).each( function () {
			this.append( ' ', opener( name, this ) );
		} );
	} );
}() );
