package jobs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// MaxFile bounds one file, in bytes.
const MaxFile = 25 << 20

// SaveFile stores a file that somebody gives in a form; actor is nobody at a public form. It becomes part of a run when
// the form is sent.
func (s *Service) SaveFile(ctx context.Context, actor model.Actor, name, contentType string, r io.ReaderAt) (model.FileValue, error) {
	hash := sha256.New()
	n, err := io.Copy(hash, io.NewSectionReader(r, 0, MaxFile+1))
	if err != nil {
		return model.FileValue{}, fmt.Errorf("read a file: %w", err)
	}
	if n > MaxFile {
		return model.FileValue{}, fault.New(fault.TooLarge, "A file may have %d MiB.", MaxFile>>20)
	}
	settings, err := s.o.Store.UploadSettings(ctx)
	if err != nil {
		return model.FileValue{}, err
	}
	f := db.File{FileValue: model.FileValue{ID: model.NewFileID(s.o.Now()), Name: fileName(name), Size: n, ContentType: contentType}, Hash: hex.EncodeToString(hash.Sum(nil)), CreatedBy: actor.UserID}
	s.saving.RLock() // bytes that are there already are not removed before they are this file's too
	defer s.saving.RUnlock()
	files, err := s.filesAt(ctx, settings.ConnectionID)
	if err != nil {
		return f.FileValue, s.unkept(err)
	}
	f.ConnectionID, f.Key = settings.ConnectionID, files.Name(f.Hash)
	if err := files.Put(ctx, f.Key, Upload{Hash: f.Hash, Size: n, ContentType: contentType, From: r}); err != nil {
		return f.FileValue, s.unkept(err)
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
	if err := s.o.Store.Durable(ctx); err != nil { // what used them is gone for good
		return err
	}
	used, err := s.o.Store.HashesBeside(ctx, list)
	if err != nil {
		return err
	}
	for _, f := range list {
		if used[f.Hash] {
			continue
		}
		if err := s.removeBytes(ctx, f); err != nil {
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
	if err := actor.Stands(model.Workflows.View()); err != nil {
		return db.File{}, err
	}
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
	files, err := s.filesAt(ctx, f.ConnectionID)
	if err != nil {
		return nil, err
	}
	r, err := files.Open(ctx, cmp.Or(f.Key, f.Hash))
	if err != nil {
		return nil, s.unread(err)
	}
	return r, nil
}

// linkLife is how long a link to a file in a bucket can be used.
const linkLife = 5 * time.Minute

// FileLink is an address at which a file can be downloaded for five minutes without asking Waybill, "" when it goes through
// Waybill. Whoever asks may have the file (FileFor).
func (s *Service) FileLink(ctx context.Context, f db.File, disposition string) (string, error) {
	if f.ConnectionID == "" {
		return "", nil
	}
	settings, err := s.o.Store.UploadSettings(ctx)
	if err != nil || settings.Proxied {
		return "", err
	}
	b, err := s.bucket(ctx, f.ConnectionID)
	if err != nil {
		return "", err
	}
	return b.Link(ctx, f.Key, disposition, "application/octet-stream", linkLife)
}
