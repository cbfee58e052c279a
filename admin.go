package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
)

// withStore opens the store for a command, beside a running server if there is one. Only adding a user may make a new
// data folder: any other command in an empty one has been called in the wrong place.
func withStore(sc *storeConfig, mayMake bool, do func(ctx context.Context, store *db.Store) error) error {
	return withStoreAt(time.Now, sc, mayMake, do)
}

// withStoreAt is withStore by another clock.
func withStoreAt(now func() time.Time, sc *storeConfig, mayMake bool, do func(ctx context.Context, store *db.Store) error) error {
	if err := sc.check(); err != nil {
		return err
	}
	syscall.Umask(0o077)
	if _, err := os.Stat(filepath.Join(sc.DataDir, db.FileName)); errors.Is(err, fs.ErrNotExist) && !mayMake {
		return fmt.Errorf("there is no database in %s; set --data-dir or WAYBILL_DATA_DIR", sc.DataDir)
	}
	store, err := openStore(sc, now, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return errors.Join(do(context.Background(), store), store.Close())
}

// operator is whoever may run commands on this machine: the audit log shows the command.
func operator(command string) model.Actor {
	return model.Actor{Kind: model.ActorCLI, Name: "waybill " + command, Rights: model.NewRights(model.AllRights()...)}
}

// newPassword is a password that was read from standard input, or one that was made and is still to be told.
type newPassword struct {
	text string
	made bool
}

func readPassword(fromStdin bool, io streams, about ...string) (newPassword, error) {
	if !fromStdin {
		return newPassword{strings.ToLower(rand.Text()[:24]), true}, nil
	}
	text, err := bufio.NewReader(io.in).ReadString('\n')
	if err != nil && text == "" {
		return newPassword{}, errors.New("no password on standard input")
	}
	text = strings.TrimRight(text, "\r\n")
	if weak := web.Weak(text, about...); weak != nil {
		return newPassword{}, weak
	}
	return newPassword{text: text}, nil
}

// store hashes the password, has it written, and then tells it if it was made.
func (p newPassword) store(ctx context.Context, io streams, write func(hash string) error) error {
	hash, err := web.NewPasswords().Hash(ctx, p.text)
	if err != nil {
		return err
	}
	if err := write(hash); err != nil || !p.made {
		return err
	}
	_, err = fmt.Fprintln(io.out, "password: "+p.text)
	return err
}

type userCreateCmd struct {
	Email         string   `required:"" help:"What they sign in with."`
	Name          string   `required:"" help:"Their name."`
	Role          []string `required:"" help:"Administrator, Integrator, Operator or Viewer; several are separated by commas."`
	PasswordStdin bool     `help:"Read the password from standard input; else one is made and printed."`
}

func (c userCreateCmd) Run(sc *storeConfig, io streams) error {
	return withStore(sc, true, func(ctx context.Context, store *db.Store) error {
		secret, err := readPassword(c.PasswordStdin, io, c.Email, c.Name)
		if err != nil {
			return err
		}
		return secret.store(ctx, io, func(hash string) error {
			return store.Write(ctx, operator("user create"), func(tx *db.Tx) error {
				return tx.CreateUser(&model.User{Email: c.Email, Name: c.Name, Roles: c.Role}, hash)
			})
		})
	})
}

type userPasswdCmd struct {
	Email         string `required:"" help:"Whose password."`
	PasswordStdin bool   `help:"Read the password from standard input; else one is made and printed."`
	DropFactor    bool   `name:"remove-second-factor" help:"Also remove the second factor, when it and the recovery codes are lost."`
}

func (c userPasswdCmd) Run(sc *storeConfig, io streams) error {
	return withStore(sc, false, func(ctx context.Context, store *db.Store) error {
		u, err := userBy(ctx, store, c.Email)
		if err != nil {
			return err
		}
		secret, err := readPassword(c.PasswordStdin, io, u.Email, u.Name)
		if err != nil {
			return err
		}
		return secret.store(ctx, io, func(hash string) error {
			return store.Write(ctx, operator("user passwd"), func(tx *db.Tx) error {
				if c.DropFactor {
					if err := tx.DropSecondFactor(u.ID); err != nil {
						return err
					}
				}
				return tx.SetPassword(u.ID, hash, "")
			})
		})
	})
}

func userBy(ctx context.Context, store *db.Store, email string) (model.User, error) {
	u, _, err := store.UserByEmail(ctx, email)
	if fault.Is(err, fault.NotFound) {
		err = fmt.Errorf("there is no user with the address %s", email)
	}
	return u, err
}

type apiKeyCreateCmd struct {
	Name string `required:"" help:"What the key is for."`
	User string `required:"" placeholder:"EMAIL" help:"Whose rights it has."`
}

func (c apiKeyCreateCmd) Run(sc *storeConfig, io streams) error {
	return withStore(sc, false, func(ctx context.Context, store *db.Store) error {
		u, err := userBy(ctx, store, c.User)
		if err != nil {
			return err
		}
		text, hash, hint := db.NewKey()
		err = store.Write(ctx, operator("apikey create"), func(tx *db.Tx) error {
			return tx.CreateAPIKey(&model.APIKey{Name: c.Name, UserID: u.ID, Hint: hint}, hash)
		})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(io.out, text.Reveal())
		return err
	})
}

type backupCmd struct {
	File string `arg:"" help:"Where to; must not exist. The master key is not in it."`
}

func (c backupCmd) Run(sc *storeConfig) error {
	return withStore(sc, false, func(ctx context.Context, store *db.Store) error { return store.Backup(ctx, c.File) })
}

type keyDoctorCmd struct{}

func (keyDoctorCmd) Run(sc *storeConfig, io streams) error {
	return withStore(sc, false, func(ctx context.Context, store *db.Store) error {
		state, err := store.KeyState(ctx)
		if err != nil {
			return err
		}
		for _, name := range state.Locked {
			fmt.Fprintln(io.out, "does not open: "+name)
		}
		if !state.OK {
			return errors.New(state.Reason)
		}
		if len(state.Locked) > 0 {
			return fmt.Errorf("%d secrets do not open with the master key from %s", len(state.Locked), state.Where)
		}
		_, err = fmt.Fprintln(io.out, "ok: the master key from "+state.Where+" opens everything")
		return err
	})
}

type keyRotateCmd struct{}

// Run moves every secret to a new master key. Begun again after it was cut off, it goes on.
func (keyRotateCmd) Run(sc *storeConfig, io streams) error {
	return withStore(sc, false, func(ctx context.Context, store *db.Store) error {
		if sc.MasterKey != "" && serverRuns(sc.DataDir) {
			return errors.New("a server runs on this data folder with the key from WAYBILL_MASTER_KEY, which nobody but you can change: set it to NEW,OLD (openssl rand -base64 32 makes a new one), stop the server, run this with the same, and start the server again")
		}
		done, err := store.Rekey(ctx, operator("key rotate"), func(int64) error { return nil })
		if err != nil {
			return err
		}
		fmt.Fprintf(io.out, "ok: %d secrets moved to the new master key in %s\n", done.Moved, done.Where)
		if done.Former != "" {
			_, err = fmt.Fprintln(io.out, "note: backups made before need the former key, which is kept in "+done.Former+"; keep it away from them, and delete it when they are gone")
			return err
		}
		_, err = fmt.Fprintln(io.out, "note: take the former key out of WAYBILL_MASTER_KEY now, and keep it apart for backups made before")
		return err
	})
}

// serverRuns reports whether a server holds the lock of the data folder.
func serverRuns(dir string) bool {
	f, err := os.OpenFile(filepath.Join(dir, "waybill.lock"), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

type doctorCmd struct{}

// Run prints one line a check and fails when one of them is bad.
func (doctorCmd) Run(sc *storeConfig, out streams) error {
	sick := false
	say := func(w io.Writer, err error, good string, args ...any) {
		if err != nil {
			sick = true
			fmt.Fprintln(w, "FAIL  "+err.Error())
			return
		}
		fmt.Fprintf(w, "ok    "+good+"\n", args...)
	}
	err := withStore(sc, false, func(ctx context.Context, store *db.Store) error {
		say(out.out, folderPrivate(sc.DataDir), "the data folder %s is readable by its owner alone", sc.DataDir)
		if file := sc.keyFile(); file != "" {
			say(out.out, filePrivate(file), "the key file %s is readable by its owner alone", file)
		}
		say(out.out, store.Ready(ctx), "the database opens and answers")
		state, err := store.KeyState(ctx)
		if err == nil && !state.OK {
			err = errors.New(state.Reason)
		}
		if err == nil && len(state.Locked) > 0 {
			err = fmt.Errorf("these secrets do not open: %s", strings.Join(state.Locked, ", "))
		}
		say(out.out, err, "the master key from %s opens everything", state.Where)
		broken, err := store.VerifyAudit(ctx)
		if err == nil && broken > 0 {
			err = fmt.Errorf("row %d of the audit log does not follow from the one before it", broken)
		}
		say(out.out, err, "the audit log is whole")
		n, err := store.CountUsers(ctx)
		if err == nil && n == 0 {
			err = errors.New("nobody can sign in yet: open the setup link of the server's log, or `waybill user create`")
		}
		say(out.out, err, "users: %d", n)
		if filepath.Base(state.Where) == db.KeyFile && filepath.Dir(state.Where) == filepath.Clean(sc.DataDir) {
			fmt.Fprintln(out.out, "note  the master key lies beside the data; WAYBILL_MASTER_KEY_FILE can name a place apart from it")
		}
		return nil
	})
	if err == nil && sick {
		return errSilent
	}
	return err
}

// keyFile is where the master key lies, "" when it is in no file.
func (c *storeConfig) keyFile() string {
	file := cmp.Or(c.MasterKeyFile, filepath.Join(c.DataDir, db.KeyFile))
	if _, err := os.Stat(file); c.MasterKey != "" || err != nil {
		return "" // that it is missing is said elsewhere
	}
	return file
}

// filePrivate complains when others than the owner can read a file, or write it.
func filePrivate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("others than its owner can get at the key file %s (mode %04o); chmod 600 mends it", path, info.Mode().Perm())
	}
	return nil
}

// folderPrivate complains when others than the owner can read the data folder.
func folderPrivate(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("others than its owner can enter the data folder %s (mode %04o); chmod 700 mends it", dir, info.Mode().Perm())
	}
	return nil
}
