package configcheck

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// otherSites warns of sites whose apps get addresses, and of different wikis with the same masks.
func (l looker) otherSites(site *Site) {
	own := site.upstreams()
	for _, other := range site.Others() {
		masks := other.Find("client_mask")
		upstreams := other.upstreams()
		switch {
		case len(upstreams) == 0:
		case len(masks) == 0:
			l.at(other.Keys[0], unmaskedSite)
		case !site.labelled() && !other.labelled() && len(own) > 0 && !slices.Equal(own, upstreams) && after(other, site):
			l.at(masks[0].Words[0], "this site and "+site.Keys[0].Text+" have different upstreams and the same masks, look-ups and quotas, as neither has a label: "+
				"give each a `site` in client_mask, or both the same one if that is meant")
		}
	}
}

// after reports whether a site stands after another: one warning does for two.
func after(a, b *Site) bool {
	return a.Keys[0].File != b.Keys[0].File || a.Keys[0].Line > b.Keys[0].Line
}

// labelled reports whether the site's masks have a label, of their own or for all.
func (s *Site) labelled() bool {
	has := func(statements []Statement, name string) bool {
		return slices.ContainsFunc(statements, func(s Statement) bool {
			_, given := s.Option("site")
			return s.Name() == name && given
		})
	}
	return has(s.Directives, "client_mask") || has(s.Global(), "wikiveil")
}

// upstreams are where the site hands requests to.
func (s *Site) upstreams() (addresses []string) {
	var look func([]Statement)
	look = func(list []Statement) {
		for _, d := range list {
			if name := d.Name(); name == "reverse_proxy" || name == "php_fastcgi" {
				addresses = append(addresses, d.withoutMatcher().Args()...)
				for _, option := range d.Inner {
					if option.Name() == "to" {
						addresses = append(addresses, option.Args()...)
					}
				}
				continue
			}
			if !strings.HasPrefix(d.Name(), "@") {
				look(d.Inner)
			}
		}
	}
	look(s.Directives)
	slices.Sort(addresses)
	return slices.Compact(addresses)
}

// Consents warns of tools that wait for a consent that no csp lets readers give.
func Consents(h httpcaddyfile.Helper) {
	src := readSource(h)
	if src == nil {
		return
	}
	given := false
	src.inSites("csp", func(csp Statement) {
		_, consent := csp.Option("consent")
		given = given || consent
	})
	if given {
		return
	}
	for _, option := range src.global() {
		for _, tool := range option.Inner {
			access, ok := tool.Option("access")
			if option.Name() == "wikiveil" && tool.Name() == "tool" && ok && slices.ContainsFunc(access.Args(), needsConsent) {
				Warn(h, Warning{access.Words[0].File, access.Words[0].Line, NoConsent(tool.Words[min(1, len(tool.Words)-1)].Text)})
			}
		}
	}
}

func needsConsent(access string) bool { return access == "consent" || access == "both" }

// NoConsent is the warning of a tool that nobody can consent to.
func NoConsent(tool string) string {
	return "the tool " + tool + " waits for readers' consent, and no csp has the option `consent`: nobody can give it"
}

// MaskLabels returns the labels of all sites' masks, as the Caddyfile gives them, or nil where it can't be read. Missing is
// what those have that have none.
func MaskLabels(h httpcaddyfile.Helper, missing string) (labels []string) {
	src := readSource(h)
	if src == nil {
		return nil
	}
	src.inSites("client_mask", func(mask Statement) {
		label := missing
		if site, ok := mask.Option("site"); ok && len(site.Words) == 2 {
			label = site.Words[1].Text
		}
		labels = append(labels, label)
	})
	return labels
}

// ConsentNeedsTLS warns of a csp with consent in a site that browsers reach in clear: its cookies need https.
func ConsentNeedsTLS(h httpcaddyfile.Helper, site *Site) {
	if address := site.InClear(); address != "" {
		WarnHere(h, "consent needs https, and the site "+address+" is reached without: no reader there can let a tool through")
	}
}

// InClear returns an address by which browsers reach the site without TLS, or nothing: where there are none, and where a trusted
// proxy may end TLS.
func (s *Site) InClear() string {
	if s == nil || slices.ContainsFunc(s.Global(), func(option Statement) bool {
		_, trusted := option.Option("trusted_proxies")
		return trusted
	}) {
		return ""
	}
	for _, key := range s.Keys {
		if strings.HasPrefix(key.Text, "http://") || key.Text == ":80" {
			return strings.TrimSuffix(key.Text, ",")
		}
	}
	return ""
}
