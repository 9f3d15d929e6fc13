package android.app;

import android.Phone;
import android.content.Context;
import android.os.Bundle;
import android.view.View;
import android.view.Window;
import android.view.WindowManager;

/** Pretended. */
public class Activity extends Context {
    public static final int RESULT_OK = -1;
    public static final int RESULT_CANCELED = 0;

    protected void onCreate(Bundle state) {}

    protected void onResume() {}

    protected void onPause() {}

    public Window getWindow() {
        return new Window();
    }

    public void setContentView(View view) {}

    public void setShowWhenLocked(boolean show) {
        Phone.windowFlags |= WindowManager.LayoutParams.FLAG_SHOW_WHEN_LOCKED;
    }

    public void setTurnScreenOn(boolean on) {
        Phone.windowFlags |= WindowManager.LayoutParams.FLAG_TURN_SCREEN_ON;
    }
}
