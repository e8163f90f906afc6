package edge

import (
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/internal/backup"
)

const adminBackup = "/wikiveil/backup"

func init() {
	// The data_dir that is in use, and a backup of the files in it {data_dir}, which is to be that one.
	HandleAdmin(adminBackup, serveBackup, http.MethodGet, http.MethodPost)
}

// backupWait is how long whoever reads a backup may take for a piece of it.
const backupWait = time.Minute

// backupPlace names the data_dir that is meant: a config that was changed since, or a command of another user, may mean
// another than the running edge has.
type backupPlace struct {
	DataDir string `json:"data_dir"`
}

func (a *App) backupPlace() (backupPlace, error) {
	dir, err := filepath.Abs(a.FilesDir())
	return backupPlace{dir}, err
}

// serveBackup responds with an archive of the data_dir's files. What is in Caddy's storage, secrets among it, the command
// reads by itself.
func serveBackup(app *App, w http.ResponseWriter, r *http.Request) error {
	place, err := app.backupPlace()
	if err != nil {
		return err
	}
	if r.Method == http.MethodGet {
		return admin.WriteJSON(w, place)
	}
	var asked backupPlace
	if err := admin.Read(w, r, &asked, "data_dir"); err != nil {
		return err
	}
	if asked != place {
		return caddy.APIError{HTTPStatus: http.StatusConflict, Err: fmt.Errorf("the running edge has its files in %s, not in %s: is it"+
			" the right config, and are you the edge's user?", place.DataDir, asked.DataDir)}
	}
	w.Header().Set("Content-Type", "application/x-tar")
	control := http.NewResponseController(w)
	defer control.SetWriteDeadline(time.Time{}) // for what comes next on the connection
	archive := backup.NewWriter(patientWriter{w, control})
	if err := backup.WriteData(place.DataDir, archive); err != nil {
		app.logger.Error("a backup failed", zap.Error(err))
		return archive.Fail(err) // the status is sent already
	}
	return archive.Close()
}

// patientWriter gives up on who doesn't read.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w patientWriter) Write(data []byte) (int, error) {
	w.control.SetWriteDeadline(time.Now().Add(backupWait)) // an error: it can't be bounded
	return w.ResponseWriter.Write(data)
}
