package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/s3"
)

// Files are brought to where new ones go one by one: written there, read back and compared with their hash, noted in the
// database, and only then removed from where they were. Whatever it is interrupted by, each file is in one place that the
// database names; begun anew, it goes on with what is left.

// mover brings files to their place.
type mover struct {
	wake
	mu  sync.Mutex
	now FileMove
}

// FileMove is how the moving of files goes.
type FileMove struct {
	Moved, Bytes int64 // since this process began with it
	Missing      int64 // that are in the database only, or damaged: they stay noted where they were
	Error        string
	Again        time.Time // when it is tried again after Error
}

// FileMove tells how the moving of files goes.
func (s *Service) FileMove() FileMove {
	s.mover.mu.Lock()
	defer s.mover.mu.Unlock()
	return s.mover.now
}

func (m *mover) note(fn func(*FileMove)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fn(&m.now)
}

// UpdateUploads stores where files are kept from now on; with Moving, those that are elsewhere follow.
func (s *Service) UpdateUploads(ctx context.Context, actor model.Actor, n model.UploadSettings) error {
	if n.ConnectionID != "" {
		if err := s.WantFeature(ctx, model.FeatureS3Uploads); err != nil {
			return err
		}
	}
	if n.ConnectionID != "" { // what cannot be written to is refused before people lose a file by it
		b, err := s.bucket(ctx, n.ConnectionID)
		if err == nil {
			err = tryFiles(ctx, b)
		}
		var e *s3.Error
		if errors.As(err, &e) || fault.Is(err, fault.Invalid) {
			var bad fault.Check
			bad.Add("connection_id", "%s", err)
			return bad.Err()
		}
		if err != nil {
			return err
		}
	}
	err := s.o.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.UpdateUploads(n) })
	if err == nil {
		s.mover.note(func(m *FileMove) { *m = FileMove{} })
		s.mover.poke()
	}
	return err
}

// tryFiles shows that files can be written, read and removed.
func tryFiles(ctx context.Context, b *s3.Bucket) error {
	key := b.Prefix() + "waybill-test.txt"
	if _, err := b.PutBytes(ctx, key, "text/plain", []byte("Waybill tries whether it can write here. It removes this object at once.\n")); err != nil {
		return err
	}
	if err := b.Read(ctx, key, func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }); err != nil {
		return err
	}
	return b.Remove(ctx, key)
}

// moveAgain is how long after a failure the next try comes.
const moveAgain = time.Minute

// keepFiles moves files while that is asked for, until the service stops.
func (s *Service) keepFiles() {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-s.stopped
		cancel()
	}()
	for {
		wait := time.Hour
		if err := s.moveFiles(ctx); err != nil && ctx.Err() == nil {
			wait = moveAgain
			again := s.o.Now().Add(wait)
			s.mover.note(func(m *FileMove) { m.Error, m.Again = moveWords(err), again })
			s.o.Log.Warn("files could not be moved; trying again", "error", err)
		}
		due := time.NewTimer(wait)
		select {
		case <-s.stopped:
		case <-s.mover.wake:
		case <-due.C:
		}
		due.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

func moveWords(err error) string {
	var e *s3.Error
	if f := fault.Of(err); errors.As(err, &e) {
		return e.Message
	} else if f != nil {
		return f.Message
	}
	return "A file could not be moved; the log of the server says why."
}

// moveFiles brings all files to where new ones go, when that is asked for.
func (s *Service) moveFiles(ctx context.Context) error {
	settings, err := s.o.Store.UploadSettings(ctx)
	if err != nil || !settings.Moving {
		return err
	}
	to, err := s.filesAt(ctx, settings.ConnectionID)
	if err != nil {
		return err
	}
	places, err := s.o.Store.FileUses(ctx)
	if err != nil {
		return err
	}
	s.mover.note(func(m *FileMove) { m.Error, m.Again, m.Missing = "", time.Time{}, 0 })
	for _, p := range places {
		if p.ConnectionID == settings.ConnectionID {
			continue
		}
		done, err := s.moveFrom(ctx, p.ConnectionID, settings, to)
		if err != nil || !done {
			return err
		}
	}
	return s.o.Store.Write(ctx, model.System("files"), func(tx *db.Tx) error {
		settings.Moving = false
		err := tx.UpdateUploads(settings)
		if fault.Is(err, fault.Stale) { // somebody said something else meanwhile, and pokes
			return nil
		}
		return err
	})
}

// moveFrom empties a place; false: it is no longer asked for.
func (s *Service) moveFrom(ctx context.Context, place model.ConnectionID, settings model.UploadSettings, to Files) (bool, error) {
	from, err := s.filesAt(ctx, place)
	if err != nil {
		return false, err
	}
	for after := ""; ; {
		now, err := s.o.Store.UploadSettings(ctx)
		if err != nil || now.Version != settings.Version {
			return false, err
		}
		list, err := s.o.Store.FilesAt(ctx, place, after, 20)
		if err != nil || len(list) == 0 {
			return true, err
		}
		for _, f := range list {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			after = f.Hash
			err := s.moveFile(ctx, f, from, to, settings.ConnectionID)
			if fault.Is(err, fault.NotFound) || errors.Is(err, errDamaged) {
				s.mover.note(func(m *FileMove) { m.Missing++ })
				s.o.Log.Warn("a file of a form is gone or damaged where it should be, and stays noted there", "hash", f.Hash, "error", err)
				continue
			}
			if err != nil {
				return false, err
			}
			s.mover.note(func(m *FileMove) { m.Moved, m.Bytes = m.Moved+1, m.Bytes+f.Size })
			s.watchers.tell()
		}
	}
}

// moveFile brings the bytes of one file, by way of a file on disk, since both sides may need them more than once.
func (s *Service) moveFile(ctx context.Context, f model.PlacedFile, from, to Files, place model.ConnectionID) error {
	if f.Key == "" {
		f.Key = f.Hash
	}
	bytes, size, err := fetch(ctx, from, f)
	if err != nil {
		return err
	}
	defer bytes.Close()
	name := to.Name(f.Hash)
	if err := to.Put(ctx, name, Upload{Hash: f.Hash, Size: size, ContentType: f.ContentType, From: bytes}); err != nil {
		return err
	}
	there, _, err := fetch(ctx, to, model.PlacedFile{Hash: f.Hash, Key: name})
	if errors.Is(err, errDamaged) || fault.Is(err, fault.NotFound) { // what is there under the name is none of ours: written again next time
		_ = to.Remove(ctx, name)
		return fault.New(fault.Unavailable, "A file did not come back from the store as it was written; nothing was removed.")
	}
	if err != nil {
		return err
	}
	_ = there.Close()
	s.saving.Lock() // nobody stores the same bytes at the old place meanwhile
	defer s.saving.Unlock()
	n, err := s.o.Store.MoveFiles(ctx, f, place, name)
	if err != nil {
		return err
	}
	if n == 0 { // they went meanwhile; so does the copy, unless somebody else has it
		if kept, err := s.o.Store.FileKept(ctx, place, f.Hash); err != nil || kept {
			return err
		}
		return to.Remove(ctx, name)
	}
	return from.Remove(ctx, f.Key)
}

// errDamaged is about bytes that are not those of their hash.
var errDamaged = errors.New("the bytes are not those that were stored")

// fetch copies bytes into a file without a name and compares them with their hash.
func fetch(ctx context.Context, from Files, f model.PlacedFile) (*os.File, int64, error) {
	r, err := from.Open(ctx, f.Key)
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	tmp, err := os.CreateTemp("", "waybill-file-")
	if err != nil {
		return nil, 0, fmt.Errorf("make a file on the way: %w", err)
	}
	_ = os.Remove(tmp.Name())
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(tmp, hash), io.LimitReader(r, MaxFile+1))
	if err == nil && hex.EncodeToString(hash.Sum(nil)) != f.Hash {
		err = errDamaged
	}
	if err != nil {
		_ = tmp.Close()
		return nil, 0, err
	}
	return tmp, n, nil
}
