package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/s3"
)

// Files keeps the bytes of files that people give in forms.
type Files interface {
	// Name is the one under which bytes with this hash (hex SHA-256) are put.
	Name(hash string) string
	// Put stores bytes under name unless they are there. There is nothing of them until they are whole.
	Put(ctx context.Context, name string, u Upload) error
	// Open gives them back; what is not there is NotFound.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Remove takes them away; that they are not there is no error.
	Remove(ctx context.Context, name string) error
}

// Upload are bytes to be put, as often as it takes.
type Upload struct {
	Hash        string // hex SHA-256
	Size        int64
	ContentType string
	From        io.ReaderAt
}

func (u Upload) reader() io.Reader { return io.NewSectionReader(u.From, 0, u.Size) }

// folder keeps them in the data folder, under uploads.
type folder struct{ dir string }

func (f folder) path(name string) string { return filepath.Join(f.dir, name[:2], name) }

func (f folder) Name(hash string) string { return hash }

func (f folder) Put(_ context.Context, name string, u Upload) error {
	path := f.path(name)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the folder for uploads: %w", err)
	}
	part := path + "." + rand.Text()[:8]
	out, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("store a file: %w", err)
	}
	defer func() { _ = os.Remove(part) }() // gone when it was renamed
	_, err = io.Copy(out, u.reader())
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return &fault.Fault{Kind: fault.Unavailable, Code: "disk_error", RetryAfter: 5, Cause: err, Message: "The file could not be stored. Is the disk full?"}
	}
	return os.Rename(part, path)
}

func (f folder) Open(_ context.Context, name string) (io.ReadCloser, error) {
	file, err := os.Open(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Absent("file")
	}
	return file, err
}

func (f folder) Remove(_ context.Context, name string) error {
	if err := os.Remove(f.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a file: %w", err)
	}
	return nil
}

// inBucket keeps them in a bucket, by their hash below files/.
type inBucket struct{ *s3.Bucket }

func (b inBucket) Name(hash string) string { return b.Prefix() + "files/" + hash[:2] + "/" + hash }

func (b inBucket) Put(ctx context.Context, name string, u Upload) error {
	if there, err := b.Head(ctx, name); err == nil && there.Size == u.Size {
		return nil
	}
	_, err := b.Bucket.Put(ctx, name, s3.Object{ContentType: "application/octet-stream", Size: u.Size, Hash: u.Hash, Source: func() (io.ReadCloser, error) { return io.NopCloser(u.reader()), nil }})
	return err
}

// Open returns once the store has begun to answer; what is cut later is an error of Read.
func (b inBucket) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	began, r, w := make(chan error, 2), (*io.PipeReader)(nil), (*io.PipeWriter)(nil)
	r, w = io.Pipe()
	go func() {
		defer cancel()
		err := b.Read(ctx, name, func(body io.Reader) error {
			began <- nil
			_, err := io.Copy(w, body)
			return err
		})
		began <- err
		_ = w.CloseWithError(err)
	}()
	if err := <-began; err != nil {
		return nil, err
	}
	return r, nil
}

// filesAt is the place of files of that connection, "" = the data folder.
func (s *Service) filesAt(ctx context.Context, id model.ConnectionID) (Files, error) {
	if id == "" {
		return folder{filepath.Join(s.o.Store.Dir(), "uploads")}, nil
	}
	b, err := s.bucket(ctx, id)
	if err != nil {
		return nil, err
	}
	return inBucket{b}, nil
}

// removeBytes takes away the bytes of a file where they are.
func (s *Service) removeBytes(ctx context.Context, f db.File) error {
	files, err := s.filesAt(ctx, f.ConnectionID)
	if err != nil {
		return err
	}
	if f.Key == "" {
		f.Key = f.Hash
	}
	return files.Remove(ctx, f.Key)
}

// unkept is what those who give a file hear when it could not be kept: not what is wrong with a store that is none of
// their business. The log, and the page of the settings, have that.
func (s *Service) unkept(err error) error {
	if f := fault.Of(err); f != nil && f.Kind == fault.Unavailable {
		return err
	}
	s.o.Log.Warn("a file of a form could not be kept", "error", err)
	return &fault.Fault{Kind: fault.Unavailable, Code: "files_unavailable", RetryAfter: 30, Cause: err, Message: "The file could not be stored just now; nothing was sent. Try again in a while, or tell whoever runs this Waybill."}
}

func (s *Service) unread(err error) error {
	var e *s3.Error
	if !errors.As(err, &e) || fault.Is(err, fault.NotFound) {
		return err
	}
	s.o.Log.Warn("a file of a form could not be read", "error", err)
	return &fault.Fault{Kind: fault.Unavailable, Code: "files_unavailable", RetryAfter: 30, Cause: err, Message: "The file cannot be read just now. Try again in a while."}
}
