package org.pocketbench.app;

import android.os.Process;
import android.system.ErrnoException;
import android.system.Os;
import android.system.OsConstants;
import android.system.StructStat;
import android.util.Log;
import java.io.File;
import java.io.IOException;
import org.pocketbench.core.Engines;
import org.pocketbench.core.Job;
import org.pocketbench.core.JobFile;
import org.pocketbench.core.Platform;
import org.pocketbench.core.Request;

/** What Android brings along for a job. */
final class AndroidSetup implements Job.Setup {
    private final Platform platform;

    AndroidSetup(Platform platform) {
        this.platform = platform;
    }

    @Override
    public Engines engines(Request request) {
        return new FlavourEngines();
    }

    @Override
    public Platform platform() {
        return platform;
    }

    @Override
    public JobFile.Status status(File path) throws IOException {
        try {
            StructStat found = Os.lstat(path.getPath());
            int mode = found.st_mode;
            return new JobFile.Status(found.st_uid, mode, OsConstants.S_ISREG(mode), OsConstants.S_ISDIR(mode));
        } catch (ErrnoException error) {
            throw new IOException(error.getMessage(), error);
        }
    }

    @Override
    public void kill(String reason) {
        Log.e(BenchInstrumentation.TAG, reason);
        Process.killProcess(Process.myPid());
    }
}
