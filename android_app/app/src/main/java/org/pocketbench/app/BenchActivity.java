package org.pocketbench.app;

import android.app.Activity;
import android.app.KeyguardManager;
import android.os.Build;
import android.os.Bundle;
import android.os.PowerManager;
import android.view.View;
import android.view.WindowManager;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * A black page over everything while a run lasts: nothing else repaints, and the app is what the user looks at, which
 * is how it is scheduled. Started by the instrumentation alone; takes nothing from its intent.
 */
public final class BenchActivity extends Activity {
    private static final CountDownLatch RESUMED = new CountDownLatch(1);
    private static volatile boolean onTop;
    private static volatile boolean sustained;

    /** Whether it came to the front within so many seconds. */
    static boolean awaitResumed(int secs) {
        try {
            return RESUMED.await(secs, TimeUnit.SECONDS);
        } catch (InterruptedException error) {
            return false;
        }
    }

    static boolean isOnTop() {
        return onTop;
    }

    /** Whether the phone holds a clock that it can hold for long. */
    static boolean isSustained() {
        return sustained;
    }

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        getWindow().addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON);
        overTheLock();
        sustained = ((PowerManager) getSystemService(POWER_SERVICE)).isSustainedPerformanceModeSupported();
        if (sustained) {
            getWindow().setSustainedPerformanceMode(true);
        }
        View page = new View(this);
        page.setBackgroundColor(0xFF000000);
        setContentView(page);
    }

    /** A lock with a secret stays behind the page: to ask for the secret would lay another page over this one. */
    private void overTheLock() {
        if (Build.VERSION.SDK_INT >= 27) {
            setShowWhenLocked(true);
            setTurnScreenOn(true);
        } else {
            getWindow().addFlags(WindowManager.LayoutParams.FLAG_SHOW_WHEN_LOCKED
                    | WindowManager.LayoutParams.FLAG_TURN_SCREEN_ON);
        }
        KeyguardManager lock = (KeyguardManager) getSystemService(KEYGUARD_SERVICE);
        if (!lock.isKeyguardSecure()) {
            lock.requestDismissKeyguard(this, null);
        }
    }

    @Override
    protected void onResume() {
        super.onResume();
        onTop = true;
        RESUMED.countDown();
    }

    @Override
    protected void onPause() {
        onTop = false;
        super.onPause();
    }
}
