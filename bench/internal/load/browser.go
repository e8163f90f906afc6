package load

import "fmt"

// Host is whom browsers ask: a name, as wikis have. Their address, which on one machine is the clients' too, would be
// looked for and found in each request.
const Host = "wiki.example"

const browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Referer: http://" + Host + "/wiki/Main_Page\r\nCookie: session=0123456789abcdef0123456789abcdef\r\nSec-Fetch-Site: same-origin\r\n"

// Image is what a browser sends for an image of a page.
func Image(path string) string {
	return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: "+Host+"\r\nSec-Fetch-Dest: image\r\nSec-Fetch-Mode: no-cors\r\n"+
		"Accept: image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5\r\n"+browser+"\r\n", path)
}

// Page is what a browser sends for a page that a reader goes to.
func Page(path string) string {
	return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: "+Host+"\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n"+
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"+browser+
		"Sec-Fetch-User: ?1\r\nUpgrade-Insecure-Requests: 1\r\n\r\n", path)
}

// Edit is what a browser sends when a reader saves a page.
func Edit(path string) string {
	const body = "wpTextbox1=Some+words&wpSave=Save+changes"
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: "+Host+"\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nOrigin: http://"+Host+"\r\n"+
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nContent-Type: application/x-www-form-urlencoded\r\n"+browser+
		"Content-Length: %d\r\n\r\n%s", path, len(body), body)
}
