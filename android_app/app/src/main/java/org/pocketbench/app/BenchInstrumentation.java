package org.pocketbench.app;

import android.app.Activity;
import android.app.Instrumentation;
import android.content.Context;
import android.content.Intent;
import android.os.Bundle;
import android.os.Process;
import android.util.Log;
import java.io.File;
import java.util.LinkedHashMap;
import java.util.Map;
import org.pocketbench.core.Job;
import org.pocketbench.core.Refused;

/**
 * The way in: {@code am instrument -w -r -e run_id R -e job FILE PACKAGE/org.pocketbench.app.BenchInstrumentation}.
 *
 * <p>It brings the app to the front, so that the scheduler treats it as what the user looks at, runs the job on its own
 * thread, says what it is doing as INSTRUMENTATION_STATUS, and hands back size and sha256 of the response, or `reason`.
 */
public final class BenchInstrumentation extends Instrumentation {
    static final String TAG = "pocketbench";
    static final File ROOT = new File("/data/local/tmp/pocketbench");
    private static final int STAGE_CODE = 1;
    private static final String[] ARGUMENTS = {"run_id", "job", "deadline_secs"};

    private Bundle arguments;

    @Override
    public void onCreate(Bundle given) {
        super.onCreate(given);
        arguments = given == null ? new Bundle() : given;
        start();
    }

    /**
     * On a thread of its own, which is the one that times. Android puts it ahead of whatever an app does by itself;
     * here it is put back to where an app's threads are, and with it those that a runtime starts from it.
     */
    @Override
    public void onStart() {
        super.onStart();
        Process.setThreadPriority(Process.THREAD_PRIORITY_DEFAULT);
        Context context = getTargetContext();
        Bundle results = new Bundle();
        try {
            AndroidPlatform platform = new AndroidPlatform(context);
            platform.begin(toFront(context));
            File runs = new File(media(context), "runs");
            Job job = new Job(ROOT, runs, new AndroidSetup(platform), this::stage);
            for (Map.Entry<String, String> entry : job.run(asked()).entrySet()) {
                results.putString(entry.getKey(), entry.getValue());
            }
            finish(Activity.RESULT_OK, results);
        } catch (Refused error) {
            Log.e(TAG, error.told());
            results.putString("reason", error.told());
            finish(Activity.RESULT_CANCELED, results);
        }
    }

    private Map<String, String> asked() {
        Map<String, String> found = new LinkedHashMap<>();
        for (String key : ARGUMENTS) {
            if (arguments.getString(key) != null) {
                found.put(key, arguments.getString(key));
            }
        }
        return found;
    }

    private void stage(String line) {
        Log.i(TAG, line);
        Bundle status = new Bundle();
        status.putString("stage", line);
        sendStatus(STAGE_CODE, status);
    }

    /** Whether the activity was on top in time. */
    private static boolean toFront(Context context) {
        Intent intent = new Intent(context, BenchActivity.class);
        intent.addFlags(Intent.FLAG_ACTIVITY_NEW_TASK);
        context.startActivity(intent);
        return BenchActivity.awaitResumed(10);
    }

    /** The folder of this app that the shell may read as well. */
    static File media(Context context) throws Refused {
        @SuppressWarnings("deprecation") // its successors are for pictures and films
        File[] folders = context.getExternalMediaDirs();
        if (folders == null || folders.length == 0 || folders[0] == null) {
            throw new Refused("the app has no folder for its results", "see that the shared storage is mounted");
        }
        return folders[0];
    }
}
