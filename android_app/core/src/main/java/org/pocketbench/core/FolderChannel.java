package org.pocketbench.core;

import java.io.File;

/**
 * The paced protocol where nobody can talk to the process: what it says goes to the log, and the n-th `go` is a file
 * `go.n` (counted from 1) in the job's folder, which only the host can write to; `finish` ends it.
 */
final class FolderChannel implements Channel {
    private static final long LOOK_MS = 10;

    private final File folder;
    private final Log log;
    private final Control control;
    private int gone;

    FolderChannel(File folder, Log log, Control control) {
        this.folder = folder;
        this.log = log;
        this.control = control;
    }

    @Override
    public void say(String line) {
        log.say(line);
    }

    @Override
    public String hear() throws Refused {
        while (true) {
            control.check();
            if (new File(folder, "go." + (gone + 1)).exists()) {
                gone++;
                return GO;
            }
            if (new File(folder, "finish").exists()) {
                return FINISH;
            }
            try {
                Thread.sleep(LOOK_MS);
            } catch (InterruptedException error) {
                return FINISH;
            }
        }
    }
}
