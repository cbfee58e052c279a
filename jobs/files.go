package jobs

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// Files keeps the bytes of files that people give in forms, by the hash of what they hold.
type Files interface {
	// Put stores what r gives under name unless it is there.
	Put(ctx context.Context, name string, r io.Reader) error
	// Open gives it back; what is not there is NotFound.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Remove takes it away; that it is not there is no error.
	Remove(ctx context.Context, name string) error
}

// folder keeps them in the data folder, under uploads.
type folder struct{ dir string }

func (f folder) path(name string) string { return filepath.Join(f.dir, name[:2], name) }

func (f folder) Put(_ context.Context, name string, r io.Reader) error {
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
	_, err = io.Copy(out, r)
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

// MaxFile bounds one file, in bytes.
const MaxFile = 25 << 20

// SaveFile stores a file that somebody gives in a form; actor is nobody at a public form. It becomes part of a run when
// the form is sent.
func (s *Service) SaveFile(ctx context.Context, actor model.Actor, name, contentType string, r io.ReadSeeker) (model.FileValue, error) {
	hash := sha256.New()
	n, err := io.Copy(hash, io.LimitReader(r, MaxFile+1))
	if err != nil {
		return model.FileValue{}, fmt.Errorf("read a file: %w", err)
	}
	if n > MaxFile {
		return model.FileValue{}, fault.New(fault.TooLarge, "A file may have %d MiB.", MaxFile>>20)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return model.FileValue{}, fmt.Errorf("read a file again: %w", err)
	}
	f := db.File{FileValue: model.FileValue{ID: model.NewFileID(s.o.Now()), Name: fileName(name), Size: n, ContentType: contentType}, Hash: hex.EncodeToString(hash.Sum(nil)), CreatedBy: actor.UserID}
	s.saving.RLock() // bytes that are there already are not removed before they are this file's too
	defer s.saving.RUnlock()
	if err := s.files().Put(ctx, f.Hash, r); err != nil {
		return f.FileValue, err
	}
	if actor.Kind == "" {
		actor = model.System("public form")
	}
	err = s.o.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.InsertFile(&f) })
	return f.FileValue, err
}

// How long a file that was uploaded can be made part of a run, and when it is removed if it was not.
const (
	fileLife = 24 * time.Hour
	fileGone = 48 * time.Hour
)

// dropFiles removes files that never became part of a run, and those whose runs retention took. The bytes go first: what
// is left after a crash in between is a file without bytes, which the next time takes.
func (s *Service) dropFiles(ctx context.Context) error {
	for {
		list, err := s.o.Store.LooseFiles(ctx, s.o.Now().Add(-fileGone))
		if err != nil || len(list) == 0 {
			return err
		}
		if err := s.dropSome(ctx, list); err != nil {
			return err
		}
	}
}

func (s *Service) dropSome(ctx context.Context, list []db.File) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	used, err := s.o.Store.HashesBeside(ctx, list)
	if err != nil {
		return err
	}
	for _, f := range list {
		if used[f.Hash] {
			continue
		}
		if err := s.files().Remove(ctx, f.Hash); err != nil {
			return err
		}
	}
	return s.o.Store.DropFiles(ctx, list)
}

// fileName is the last part of a name, without what no file system likes.
func fileName(name string) string {
	name = strings.ToValidUTF8(name[strings.LastIndexAny(name, `/\`)+1:], "_")
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, name)
	for utf8.RuneCountInString(name) > 200 {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	if strings.Trim(name, ". ") == "" {
		return "file"
	}
	return name
}

// FileFor is a file for somebody who may have it: who gave it, those who may see workflows, and those with an open task of
// the run that it is part of.
func (s *Service) FileFor(ctx context.Context, actor model.Actor, id model.FileID) (db.File, error) {
	f, err := s.o.Store.File(ctx, id)
	if err != nil || actor.Rights.Has(model.Workflows.View()) || f.CreatedBy != "" && f.CreatedBy == actor.UserID {
		return f, err
	}
	no := fault.Missing(string(model.Workflows.View()))
	if f.RunID == "" {
		return f, no
	}
	u, err := s.o.Store.User(ctx, actor.UserID)
	if err != nil {
		return f, err
	}
	mine, _, err := s.o.Store.Tasks(ctx, db.TaskFilter{RunID: f.RunID, Of: u.ID, Roles: u.Roles, Open: true}, db.Page{Limit: 1})
	if err == nil && len(mine) == 0 {
		err = no
	}
	return f, err
}

// OpenFile gives the bytes of a file.
func (s *Service) OpenFile(ctx context.Context, id model.FileID) (io.ReadCloser, error) {
	f, err := s.o.Store.File(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.files().Open(ctx, f.Hash)
}

func (s *Service) files() Files { return folder{filepath.Join(s.o.Store.Dir(), "uploads")} }
