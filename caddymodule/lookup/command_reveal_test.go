package lookup

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/lookup/seal"
	"github.com/wikiveil/wikiveil/masking"
)

// testEpoch is the epoch of a configured ring.
func testEpoch(t *testing.T) masking.Epoch {
	t.Helper()
	secret, err := masking.ParseSecret(edgetest.Secret)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := masking.ConfiguredRing(secret)
	if err != nil {
		t.Fatal(err)
	}
	return ring.Epochs()[0]
}

const boxedMask = "2001:2f:da8a:eedc:72a9:ddb5:1438:104f"

// newBox seals an address.
func newBox(t *testing.T, addr string, mode seal.Mode, recipients ...string) string {
	t.Helper()
	sealer := seal.NewLocal()
	if mode != seal.Local {
		var keys []*seal.Recipient
		for _, text := range recipients {
			r, err := seal.ParseRecipient(text)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, r)
		}
		var err error
		if sealer, err = seal.NewSealer(mode, keys...); err != nil {
			t.Fatal(err)
		}
	}
	box, err := sealer.Seal(netip.MustParseAddr(addr), netip.MustParseAddr(boxedMask), testEpoch(t))
	if err != nil {
		t.Fatal(err)
	}
	return box.String()
}

func TestRevealCommand(t *testing.T) {
	files, recipients := newRecipients(t, 3)
	id := func(i int) string {
		r, err := seal.ParseRecipient(recipients[i])
		if err != nil {
			t.Fatal(err)
		}
		return r.ID()
	}
	identity, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	anyOf, allOf := newBox(t, "192.0.2.7", seal.Any, recipients[:2]...), newBox(t, "2001:db8::7", seal.All, recipients[:2]...)
	local := newBox(t, "192.0.2.7", seal.Local)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	both := file("both", string(identity)+"\n"+readText(t, files[1]))
	four, six := boxedMask+"\t192.0.2.7\n", boxedMask+"\t2001:db8::7\n"
	lines := anyOf[:40] + "\r\n  " + anyOf[40:90] + "\n" + anyOf[90:]
	secret := strings.TrimSpace(string(identity)[strings.LastIndex(string(identity), "\nwikiveil-identity-"):])
	for _, tt := range []struct {
		name, stdin string
		args        []string
		want        string // of the output
		wrong       []string
	}{
		{"argument", "", []string{"-i", files[1], anyOf}, four, nil},
		{"standard input", anyOf, []string{"-i", files[0]}, four, nil},
		{"standard input, said", "\n" + lines + "\n", []string{"--identity", files[0], "-"}, four, nil},
		{"file", "", []string{"-i", files[0], file("box", lines)}, four, nil},
		{"one that is needed among others", anyOf, []string{"-i", files[2], "-i", files[1]}, four, nil},
		{"all, in two files", allOf, []string{"-i", files[0], "-i", files[1]}, six, nil},
		{"all, in one file", allOf, []string{"-i", both}, six, nil},
		{"identity from standard input", string(identity), []string{"-i", "-", anyOf}, four, nil},

		{"no identity", anyOf, nil, "", []string{"give its file by --identity"}},
		{"another identity", anyOf, []string{"-i", files[2]}, "", []string{"needs one of [" + id(0) + " " + id(1) + "]", "given: [" + id(2) + "]"}},
		{"one of all", allOf, []string{"-i", files[0]}, "", []string{"needs also [" + id(1) + "]", "given: [" + id(0) + "]"}},
		{"sealed locally", local, []string{"-i", files[0]}, "", []string{"the edge opens it by itself"}},
		{"changed", anyOf[:len(anyOf)-6] + flip(anyOf[len(anyOf)-6:len(anyOf)-5]) + anyOf[len(anyOf)-5:], []string{"-i", files[0]}, "", []string{"does not open"}},
		{"cut short", anyOf[:len(anyOf)-8], []string{"-i", files[0]}, "", []string{"not a sealed box", "copy all of it"}},
		{"nothing", "", []string{"-i", files[0]}, "", []string{"not a sealed box"}},
		{"no such file", "", []string{"-i", files[0], dir + "/none"}, "", []string{"reading the box", "no such file"}},
		{"no such identity file", anyOf, []string{"-i", dir + "/none"}, "", []string{"reading identities", "no such file"}},
		{"no identity in the file", anyOf, []string{"-i", file("empty", "# nothing\n")}, "", []string{"there is none"}},
		{"a box for an identity", anyOf, []string{"-i", file("swapped", anyOf)}, "", []string{"not an identity"}},
		{"both from standard input", anyOf, []string{"-i", "-"}, "", []string{"only one of box and identities"}},
		{"two boxes", "", []string{"-i", files[0], anyOf, anyOf}, "", []string{"at most 1 arg"}},
		{"an identity for a box", "", []string{"-i", files[0], secret}, "", []string{"an identity stands on the command line"}},
		{"an identity for its file", anyOf, []string{"-i", secret}, "", []string{"an identity stands on the command line"}},
		{"an identity for its file, in capitals", anyOf, []string{"-i", " " + strings.ToUpper(secret)}, "", []string{"an identity stands on the command line"}},
		{"an identity on standard input for the box", secret, []string{"-i", files[0]}, "", []string{"not a sealed box"}},
		{"a damaged identity", anyOf, []string{"-i", file("damaged", secret[:60]+flipLetter(secret[60:61])+secret[61:])}, "", []string{"line 1", "typing error"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := edgetest.Run(t, tt.stdin, append([]string{"reveal"}, tt.args...)...)
			if tt.wrong == nil && (out != tt.want || err != nil) || tt.wrong != nil && strings.Contains(out, boxedMask) {
				t.Errorf("got %q, %v, want %q", out, err, tt.want)
			}
			for _, want := range tt.wrong {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
			if err != nil && strings.Contains(strings.ToLower(err.Error()), secret[20:50]) {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func flipLetter(c string) string {
	if c == "a" {
		return "b"
	}
	return "a"
}

func readText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestNewRecipientCommand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity.txt")
	out, err := edgetest.Run(t, "", "keys", "recipient", "new", "--output", path)
	if err != nil {
		t.Fatal(err)
	}
	recipient, err := seal.ParseRecipient(out)
	if err != nil || out != recipient.String()+"\n" {
		t.Fatalf("got %q, %v", out, err)
	}
	text := readText(t, path)
	ids, err := seal.ParseIdentities(strings.NewReader(text))
	if err != nil || len(ids) != 1 || ids[0].Recipient().ID() != recipient.ID() {
		t.Fatalf("the file holds %v, %v", ids, err)
	}
	if !strings.Contains(text, "# recipient: "+recipient.String()+"\n") || !strings.Contains(text, "made 20") {
		t.Errorf("the file's comments: %s", text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}

	link := path + ".link"
	if err := os.Symlink(path+".elsewhere", link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"it exists", []string{"--output", path}, "already exists"},
		{"a dangling link", []string{"--output", link}, "already exists"},
		{"no such directory", []string{"--output", path + "/none/x"}, "writing the identity"},
		{"no output", nil, "give --output"},
		{"an argument", []string{path + "2"}, "unknown command"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := edgetest.Run(t, "", append([]string{"keys", "recipient", "new"}, tt.args...)...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(out, "wikiveil-") {
				t.Errorf("got %q, %v, want %q", out, err, tt.want)
			}
		})
	}
	if again := readText(t, path); again != text {
		t.Error("the file was overwritten")
	}
	if files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); err != nil || len(files) != 2 {
		t.Errorf("left behind: %v, %v", files, err)
	}

	out, err = edgetest.Run(t, "", "keys", "recipient", "new", "--output", "-")
	if ids, parseErr := seal.ParseIdentities(strings.NewReader(out)); err != nil || parseErr != nil || len(ids) != 1 {
		t.Errorf("to standard output: %q, %v, %v", out, err, parseErr)
	}
}
