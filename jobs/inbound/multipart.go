package inbound

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"unicode/utf8"

	"waybill/db/fault"
)

// multiform reads multipart/form-data: fields as text, files as {filename, content_type, text or base64}.
func multiform(boundary string, body []byte) (json.RawMessage, error) {
	bad := fault.New(fault.Malformed, "The multipart form cannot be read.")
	if boundary == "" {
		return nil, bad
	}
	var o object
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for range mostFields {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return o.json()
		}
		if err != nil {
			return nil, bad
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return nil, bad
		}
		if p.FileName() == "" && utf8.Valid(content) {
			o.add(p.FormName(), quoted(string(content)))
			continue
		}
		var file object
		file.add("filename", quoted(p.FileName()))
		file.add("content_type", quoted(p.Header.Get("Content-Type")))
		if utf8.Valid(content) {
			file.add("text", quoted(string(content)))
		} else {
			file.add("base64", quoted(base64.StdEncoding.EncodeToString(content)))
		}
		text, err := file.json()
		if err != nil {
			return nil, bad
		}
		o.add(p.FormName(), text)
	}
	return nil, bad
}
