package peers

import (
	"bytes"
	"image"
	"image/png"
	"math/rand/v2"
	"net/http"
	"strconv"
)

// NewTool serves one image of about so many bytes, which may be kept for an hour.
func NewTool(size int) (http.Handler, error) {
	picture, err := NewImage(size)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "image/png")
		h.Set("Content-Length", strconv.Itoa(len(picture)))
		h.Set("Cache-Control", "max-age=3600")
		_, _ = w.Write(picture)
	}), nil
}

// NewImage makes a PNG with noise in it, of at least so many bytes and not many more.
func NewImage(size int) ([]byte, error) {
	noise := rand.NewChaCha8([32]byte{})
	for edge := 1; ; edge++ {
		if edge*edge*4 < size {
			continue
		}
		picture := image.NewNRGBA(image.Rect(0, 0, edge, edge))
		_, _ = noise.Read(picture.Pix)
		var file bytes.Buffer
		if err := png.Encode(&file, picture); err != nil || file.Len() >= size {
			return file.Bytes(), err
		}
	}
}
