package web

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
)

// Bounds of a form, beside the size of the whole: its texts are kept in memory, its files are not.
const (
	mostText  = pageBody // bytes of all texts
	mostParts = 1000
)

// File is a file of the form that was posted. It lies on disk, without a name, and is gone when the request is over.
type File struct {
	*io.SectionReader
	Name        string // as the sender calls it
	ContentType string // as the sender says
}

const filesKey = "files"

// File is what was chosen in an input of the posted form; false when nothing was.
func (w *Web) File(c echo.Context, input string) (File, bool) {
	files, _ := c.Get(filesKey).(*files)
	if files == nil {
		return File{}, false
	}
	f, ok := files.named[input]
	return f, ok
}

// readable reads the posted form, so that no handler meets one that is cut off or encoded wrongly. When late, the handler does
// it (ReadForm), as soon as it knows that it wants the form.
func (w *Web) readable(late bool) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if c.Request().Method != http.MethodPost {
				return next(c)
			}
			defer drop(c)
			if late {
				return next(c)
			}
			if err := w.ReadForm(c); err != nil {
				return err
			}
			return next(c)
		}
	}
}

// drop ends the files of a request.
func drop(c echo.Context) {
	if files, _ := c.Get(filesKey).(*files); files != nil && files.disk != nil {
		files.disk.Close()
	}
}

// ReadForm reads the posted form: texts into memory, files to disk.
func (w *Web) ReadForm(c echo.Context) error {
	r := c.Request()
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // what cannot be read is no form
	var err error
	if kind == "multipart/form-data" {
		err = w.readParts(c, params["boundary"])
	} else {
		r.Body = http.MaxBytesReader(c.Response(), r.Body, mostText)
		err = r.ParseForm()
	}
	var big *http.MaxBytesError
	switch {
	case err == nil || fault.Of(err) != nil:
		return err
	case errors.As(err, &big) && big.Limit == mostText:
		return longTexts()
	case errors.As(err, &big):
		return tooLarge(big.Limit)
	case errors.Is(err, syscall.ENOSPC):
		return &fault.Fault{Kind: fault.Unavailable, Code: "disk_full", RetryAfter: 5, Message: "The disk of this server is full; nothing was stored. It goes on by itself when there is room.", Cause: err}
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return err
	}
	return &fault.Fault{Kind: fault.Malformed, Message: "The form could not be read. Open the page again and send it once more.", Cause: err}
}

// LongTexts is the code of what ReadForm says when only the texts of a form are too large.
const LongTexts = "texts_too_large"

func longTexts() error {
	return fault.Coded(fault.TooLarge, LongTexts, "Nothing was sent: the texts of this form are larger than %d MiB together. Shorten them.", mostText>>20)
}

// readParts reads a form with files (RFC 7578).
func (w *Web) readParts(c echo.Context, boundary string) error {
	r := c.Request()
	if boundary == "" {
		return http.ErrMissingBoundary
	}
	if err := r.ParseForm(); err != nil { // of the query
		return err
	}
	in, files, texts, left := multipart.NewReader(r.Body, boundary), &files{dir: filepath.Join(w.Store.Dir(), "uploads"), named: map[string]File{}}, map[string][]string{}, int64(mostText)
	c.Set(filesKey, files)
	for n := 0; ; n++ {
		p, err := in.NextPart()
		if err == io.EOF { // wrapped, it is the end of a form that was cut off
			break
		}
		if err != nil {
			return err
		}
		switch name := p.FormName(); {
		case n == mostParts:
			return errors.New("too many parts")
		case name == "":
		case p.FileName() != "":
			err = files.take(name, p)
		default:
			var text strings.Builder
			_, err = io.Copy(&text, io.LimitReader(p, left+1))
			if left -= int64(text.Len()); left < 0 {
				return longTexts()
			}
			texts[name] = append(texts[name], text.String())
		}
		if err != nil {
			return err
		}
	}
	r.MultipartForm = &multipart.Form{Value: texts}
	for name, values := range maps.All(texts) {
		r.Form[name] = append(r.Form[name], values...)
		r.PostForm[name] = append(r.PostForm[name], values...)
	}
	return nil
}

// files are those of one request, one behind the other in one file on disk.
type files struct {
	dir   string
	disk  *os.File // nil = none came
	end   int64
	named map[string]File
}

func (f *files) take(name string, p *multipart.Part) (err error) {
	if f.disk == nil {
		if f.disk, err = nameless(f.dir); err != nil {
			return err
		}
	}
	n, err := io.Copy(f.disk, p)
	if err != nil {
		return err
	}
	if _, again := f.named[name]; !again {
		f.named[name] = File{SectionReader: io.NewSectionReader(f.disk, f.end, n), Name: p.FileName(), ContentType: p.Header.Get("Content-Type")}
	}
	f.end += n
	return nil
}

// nameless makes a file that is gone when it is closed, however the process ends.
func nameless(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for uploads: %w", err)
	}
	f, err := os.CreateTemp(dir, "part-*")
	if err != nil {
		return nil, fmt.Errorf("take a file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("take a file: %w", err), f.Close())
	}
	return f, nil
}
