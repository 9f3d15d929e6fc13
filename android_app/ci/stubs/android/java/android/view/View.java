package android.view;

import android.content.Context;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public class View {
    public View(Context context) {
        throw new RuntimeException("stub");
    }

    public void setBackgroundColor(int color) {
        throw new RuntimeException("stub");
    }
}
