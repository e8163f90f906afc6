package confirm

// Keep returns a cookie's value that nobody but this server can make. It counts in one browser, for the flow's purpose and wiki, as long
// as the keys do: an earlier end is for the value to say.
func (f *Flow) Keep(browser BrowserID, value []byte) string {
	return f.keys.seal(useKept, []byte(f.purpose), []byte(f.wiki), browser[:], value)
}

// Kept returns the value that a text of [Flow.Keep] for this browser has.
func (f *Flow) Kept(browser BrowserID, text string) ([]byte, error) {
	fields, _, err := f.keys.open(useKept, text, 4)
	if err != nil {
		return nil, err
	}
	if err := f.isFor(fields); err != nil {
		return nil, err
	}
	if !same(fields[2], browser[:]) {
		return nil, ErrOtherBrowser
	}
	return fields[3], nil
}
