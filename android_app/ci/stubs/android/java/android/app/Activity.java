package android.app;

import android.os.Bundle;
import android.view.ContextThemeWrapper;
import android.view.View;
import android.view.Window;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public class Activity extends ContextThemeWrapper {
    public static int RESULT_OK;

    public static int RESULT_CANCELED;

    protected void onCreate(Bundle savedInstanceState) {
        throw new RuntimeException("stub");
    }

    protected void onResume() {
        throw new RuntimeException("stub");
    }

    protected void onPause() {
        throw new RuntimeException("stub");
    }

    public Window getWindow() {
        throw new RuntimeException("stub");
    }

    public void setContentView(View view) {
        throw new RuntimeException("stub");
    }

    public void setShowWhenLocked(boolean showWhenLocked) {
        throw new RuntimeException("stub");
    }

    public void setTurnScreenOn(boolean turnScreenOn) {
        throw new RuntimeException("stub");
    }
}
