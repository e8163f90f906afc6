//go:build integration

package integration

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// hum returns a minute of a tone as a WAV file of some 10 MB.
func hum() []byte {
	const rate, seconds = 44100, 60
	var b bytes.Buffer
	size := uint32(rate * seconds * 4)
	b.WriteString("RIFF")
	binary.Write(&b, binary.LittleEndian, size+36)
	b.WriteString("WAVEfmt ")
	binary.Write(&b, binary.LittleEndian, uint32(16))
	for _, field := range []any{uint16(1), uint16(2), uint32(rate), uint32(rate * 4), uint16(4), uint16(16)} {
		binary.Write(&b, binary.LittleEndian, field)
	}
	b.WriteString("data")
	binary.Write(&b, binary.LittleEndian, size)
	for i := range rate * seconds {
		v := int16(3000 * math.Sin(float64(i)/20))
		b.Write([]byte{byte(v), byte(v >> 8), byte(v), byte(v >> 8)})
	}
	return b.Bytes()
}

// TestGadgetPlaysMedia has the reader of a page jump ahead in a sound of a tool. The tool learns
// nothing of that.
func TestGadgetPlaysMedia(t *testing.T) {
	file := hum()
	for name, options := range map[string]string{"kept": "tools_cache {\nobject 16MiB\n}\n", "too large to keep": "tools_cache {\nobject 1MiB\n}\n", "no cache": "tools_cache off\n"} {
		t.Run(name, func(t *testing.T) {
			radio := startTool(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "audio/wav")
				w.Header().Set("Cache-Control", "max-age=600")
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
			})
			s := setScene(t, fronts[0], edgeConfig{
				app: options + strings.Replace(radio.declaration("radio"), "kinds", "kinds media", 1), site: clientMask + "csp\nanonproxy\n",
			}, "")
			b := startBrowser(t, chromedp.Flag("autoplay-policy", "no-user-gesture-required"))
			b.open(t, s.url+"/index.php/Main_Page")
			got := evaluate[string](t, b, `(async () => {
				const audio = document.body.appendChild(Object.assign(document.createElement('audio'), {muted: true, controls: true, src: '/.tools/radio/hum.wav'}));
				window.audio = audio;
				const once = name => new Promise((done, fail) => {
					audio.addEventListener(name, done, {once: true});
					audio.addEventListener('error', () => fail(audio.error.message), {once: true});
				});
				await once('loadedmetadata');
				for (const to of [55, 3, 40]) {
					const moved = once('seeked');
					audio.currentTime = to;
					await moved;
					await audio.play();
					while (audio.currentTime < to + 0.2) await once('timeupdate');
					audio.pause();
				}
				return audio.duration + ' ' + audio.seekable.length + ' ' + audio.seekable.end(0);
			})().catch(String)`)
			if got != "60 1 60" {
				t.Errorf("got %s", got)
			}
			for _, r := range radio.seen() {
				if len(r.Header) != 3 || r.Method != http.MethodGet || r.URL.RequestURI() != "/hum.wav" {
					t.Errorf("the tool saw %s %s %v", r.Method, r.URL, r.Header)
				}
			}
			if n := len(radio.seen()); n == 0 || name == "kept" && n != 1 {
				t.Errorf("the tool was asked %d times", n)
			}
			if violations, failures := b.take(); len(violations) > 0 {
				t.Errorf("violations %+v, failures %q", violations, failures)
			}
		})
	}
}
