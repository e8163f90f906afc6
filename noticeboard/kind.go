package noticeboard

import (
	"strings"

	"github.com/wikiveil/wikiveil/internal/i18n"
)

// Kind is what a browser loads from a tool.
type Kind string

// The kinds.
const (
	Img   Kind = "img"   // images, SVG among them
	Font  Kind = "font"  // web fonts
	Style Kind = "style" // style sheets, which load nothing themselves but in mirrors
	Media Kind = "media" // audio, video and their text tracks
	Data  Kind = "data"  // what fetch() and XMLHttpRequest read: JSON, CSV, plain text

	// Script is what runs. No tool that the proxy serves can have it: what comes
	// through the wiki's own origin must never run there. See [Tool.Executable].
	Script Kind = "script"

	// Frame is a page of the tool's own, such as a video or a chart. Its readers' browsers load it by themselves once they have consented,
	// under Sandbox and Allow; see [Tool.Sandbox].
	Frame Kind = "frame"
)

// directives govern the kinds in a Content-Security-Policy.
var directives = map[Kind]string{Img: "img-src", Font: "font-src", Style: "style-src", Media: "media-src", Data: "connect-src", Script: "script-src", Frame: "frame-src"}

// Kinds returns every kind that the proxy serves, so all but Script and Frame.
func Kinds() []Kind { return []Kind{Img, Font, Style, Media, Data} }

// In names the kind for people.
func (k Kind) In(l *i18n.Language) string { return l.Text("kind-" + string(k)) }

// Directive is the directive of a Content-Security-Policy that governs the kind.
func (k Kind) Directive() string { return directives[k] }

// KindOf returns the kind that a directive governs, "" for one that governs none.
func KindOf(directive string) Kind {
	directive = strings.TrimSuffix(directive, "-elem")
	for _, k := range append(Kinds(), Script, Frame) {
		if k.Directive() == directive {
			return k
		}
	}
	return ""
}
