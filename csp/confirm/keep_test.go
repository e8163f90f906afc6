package confirm

import "testing"

// What is kept counts in its browser, on its wiki and for its purpose alone, under an older key too.
func TestKept(t *testing.T) {
	s := newScene(t)
	browser := BrowserID{1}
	text := s.flow.Keep(browser, []byte("weather"))
	if value, err := s.flow.Kept(browser, text); err != nil || string(value) != "weather" {
		t.Errorf("got %q (%v)", value, err)
	}
	_, err := s.flow.Kept(BrowserID{2}, text)
	wantRefusal(t, err, ErrOtherBrowser)
	_, err = s.newFlow("reveal", testWiki, testPort).Kept(browser, text)
	wantRefusal(t, err, errPurpose)
	_, err = s.newFlow("exempt", "https://wiki.exbmple", testPort).Kept(browser, text)
	wantRefusal(t, err, errWiki)
	s.keys = testKeys(t, 2)
	_, err = s.newFlow("exempt", testWiki, testPort).Kept(browser, text)
	wantRefusal(t, err, ErrSignature)
	s.keys = testKeys(t, 2, 3, 1)
	if _, err := s.newFlow("exempt", testWiki, testPort).Kept(browser, text); err != nil {
		t.Errorf("an older key: %v", err)
	}
}
