package reports

import (
	"slices"
	"strings"
)

// Reasons for which a report is noise: nothing that the wiki or its gadgets do
// caused it, so no policy of the wiki could satisfy it.
const (
	NoiseExtension Reason = "extension"      // a browser's extension or user script
	NoiseInApp     Reason = "in_app_browser" // an app's browser, which adds scripts of the app
	NoiseTranslate Reason = "translation"    // a page that a translation service shows or changes
	NoiseAbout     Reason = "about"          // an empty frame and the like
	NoiseInjected  Reason = "injected"       // an antivirus or a filter on the reader's machine
	NoiseBrowser   Reason = "browser"        // the browser's own pages and scripts
)

var noiseSchemes = map[string]Reason{
	"chrome-extension":     NoiseExtension,
	"moz-extension":        NoiseExtension,
	"safari-extension":     NoiseExtension,
	"safari-web-extension": NoiseExtension,
	"webkit-masked-url":    NoiseExtension, // what WebKit shows of an extension's script
	"ms-browser-extension": NoiseExtension,
	"edge-extension":       NoiseExtension,
	"user-script":          NoiseExtension,

	"about": NoiseAbout,

	"chrome":   NoiseBrowser,
	"edge":     NoiseBrowser,
	"resource": NoiseBrowser,
	"devtools": NoiseBrowser,

	"gsa":                  NoiseInApp,
	"intent":               NoiseInApp,
	"jsbridge":             NoiseInApp,
	"webviewprogressproxy": NoiseInApp,
	"wvjbscheme":           NoiseInApp,
	"fb":                   NoiseInApp,
	"fbapi":                NoiseInApp,
	"android-webview":      NoiseInApp,
}

// Hosts: the domains themselves and all below them.
var (
	// translators show other sites' pages under names of their own.
	translators = []string{
		"translate.goog", "translate.google.com", "translate.googleusercontent.com",
		"translatetheweb.com", "microsofttranslator.com", "translated.turbopages.org",
		"translate.yandex.com", "translate.yandex.ru", "translate.yandex.net", "fanyi.baidu.com",
	}
	// translations are loaded by browsers that translate a page in place.
	translations = []string{
		"translate.google.com", "translate.googleapis.com", "translate-pa.googleapis.com",
		"translate.yandex.net", "api-edge.cognitive.microsofttranslator.com",
	}
	injectors = []string{
		"kaspersky-labs.com", "nimbus.bitdefender.net", "trafficlight.bitdefender.com",
		"siteadvisor.com", "safeweb.norton.com", "local.adguard.org", "local.adguard.com",
		"injections.adguard.org", "injections.adguard.com",
	}
)

// inAppMarks are found in the user agents of apps that show pages themselves.
var inAppMarks = []string{
	"FBAN/", "FBAV/", "FB_IAB", "Instagram ", " Line/", "MicroMessenger/", "BytedanceWebview", "musical_ly",
	"Snapchat", "Pinterest/", "LinkedInApp", "GSA/", "KAKAOTALK", "Twitter for ", "; wv)",
}

// noise says why a report is noise, or "".
func noise(v *violation, userAgent string) Reason {
	// Browsers send of these URLs the scheme at most, with or without a colon.
	for _, text := range []string{v.blocked, v.file, v.document} {
		scheme, _, _ := strings.Cut(text, ":")
		if len(scheme) > len("ms-browser-extension") {
			continue
		}
		if reason := noiseSchemes[strings.ToLower(scheme)]; reason != "" {
			return reason
		}
	}
	if v.file == "sandbox eval code" { // Firefox's name for user scripts
		return NoiseExtension
	}
	for _, agent := range []string{userAgent, v.agent} {
		if slices.ContainsFunc(inAppMarks, func(mark string) bool { return strings.Contains(agent, mark) }) {
			return NoiseInApp
		}
	}
	page, _ := parseURL(v.document)
	if within(page.host, translators) {
		return NoiseTranslate
	}
	file, _ := parseURL(v.file)
	loaded, _ := parseURL(v.blocked)
	if within(loaded.host, injectors) || within(file.host, injectors) {
		return NoiseInjected
	}
	// A gadget of the wiki may use these hosts too; then the wiki's own file does it.
	if file.origin == "" || file.origin != page.origin {
		if within(loaded.host, translations) || within(file.host, translations) ||
			loaded.host == "www.gstatic.com" && strings.HasPrefix(loaded.path, "/_/translate") {
			return NoiseTranslate
		}
	}
	return ""
}

func within(host string, domains []string) bool {
	return slices.ContainsFunc(domains, func(domain string) bool {
		before, found := strings.CutSuffix(host, domain)
		return found && (before == "" || before[len(before)-1] == '.')
	})
}
